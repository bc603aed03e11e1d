import { expect, test, vi } from "vitest";
import { sqliteAccountStore } from "../../src/adapters/sqlite/account-store.ts";
import { sqliteCounterStore } from "../../src/adapters/sqlite/counter-store.ts";
import { sqliteSessionStore } from "../../src/adapters/sqlite/session-store.ts";
import { sqliteSignInAttemptStore } from "../../src/adapters/sqlite/sign-in-attempt-store.ts";
import { AccountRecords } from "../../src/core/accounts/account-records.ts";
import { Guessing } from "../../src/core/accounts/guessing.ts";
import { MailQueue } from "../../src/core/accounts/mail-queue.ts";
import { Profiles } from "../../src/core/accounts/profiles.ts";
import { Recovery } from "../../src/core/accounts/recovery.ts";
import { emailChanges, passwordResets } from "../../src/crypto/named-secrets.ts";
import { createLog } from "../../src/log/log.ts";
import type { Account } from "../../src/model/account.ts";
import { StoreUnavailable } from "../../src/ports/store-errors.ts";
import { openDatabase } from "../adapters/sqlite-harness.ts";
import { movableClock } from "../contracts/movable-clock.ts";
import { sampleAccount } from "../contracts/samples.ts";
import { recordingLog } from "../support/log.ts";
import { quickPasswords } from "../support/passwords.ts";

async function opened() {
  const { db } = await openDatabase();
  const clock = movableClock();
  const asked: string[] = [];
  const sent: string[] = [];
  const accounts = sqliteAccountStore(db);
  const watched: typeof accounts = {
    ...accounts,
    findByEmail(key) {
      asked.push(key);
      return accounts.findByEmail(key);
    },
  };
  /** Takes its time, as mail servers do. */
  const send = async ({ to }: { to: string }) => {
    await new Promise(setImmediate);
    sent.push(to);
  };
  const mailer = { send, close: () => {} };
  const mailQueue = new MailQueue({ mailer, log: createLog("silent") });
  const passwords = quickPasswords();
  const [sessions, attempts] = [sqliteSessionStore(db), sqliteSignInAttemptStore(db)];
  const deps = {
    accountRecords: new AccountRecords(watched, clock),
    sessions,
    counters: sqliteCounterStore(db),
    clients: { get: async () => undefined },
    passwords,
    authentication: { confirm: async () => {} },
    passwordResets,
    emailChanges,
    guessing: new Guessing({ attempts, clock }),
    mailQueue,
    mailPage: undefined,
    clock,
  };
  const [recovery, profiles] = [new Recovery(deps), new Profiles(deps)];
  const account = sampleAccount({ email: "anna@example.com", emailKey: "anna@example.com" });
  await accounts.insert(account);
  return {
    recovery,
    profiles,
    mailQueue,
    asked,
    sent,
    account,
    accounts,
    sessions,
    attempts,
    watched,
    passwords,
    clock,
  };
}

test("a letter is asked for without a look at who has the address, which comes later", async () => {
  const { recovery, mailQueue, asked, sent } = await opened();
  for (const email of ["Anna@example.com", "nobody@example.com"]) recovery.requestPasswordReset(email);
  await new Promise(setImmediate);
  expect(asked).toEqual([]);
  await vi.waitUntil(() => asked.length === 2 && sent.length === 1, { timeout: 10_000 });
  expect(asked.toSorted()).toEqual(["anna@example.com", "nobody@example.com"]);
  expect(sent).toEqual(["anna@example.com"]);
  await mailQueue.stop();
});

test("a server that stops sends what it was asked for", async () => {
  const { recovery, mailQueue, sent } = await opened();
  recovery.requestPasswordReset("anna@example.com");
  await mailQueue.stop();
  expect(sent).toEqual(["anna@example.com"]);
});

test("many who ask for one account's letter at once cause one", async () => {
  const { recovery, mailQueue, sent, asked, account, watched, accounts } = await opened();
  const all = Promise.withResolvers<void>();
  const find = watched.findByEmail;
  // Each has seen that there is no token when any writes one.
  watched.findByEmail = async (key) => {
    const found = await find(key);
    if (asked.length === 8) all.resolve();
    await all.promise;
    return found;
  };
  for (let requests = 0; requests < 8; requests++) recovery.requestPasswordReset("anna@example.com");
  await mailQueue.stop();
  expect(sent).toEqual(["anna@example.com"]);
  expect(await accounts.get(account.id)).toMatchObject({ version: 2 });
});

test("of many addresses that one account asks for at once one is written to", async () => {
  const { recovery, mailQueue, sent, account, accounts, watched, passwords } = await opened();
  const password = "correct horse battery";
  const owner = { ...account, passwordHash: await passwords.hash(password), version: 2 };
  await accounts.replace(owner);
  const all = Promise.withResolvers<void>();
  let reads = 0;
  // Each has seen that there is no token when any writes one.
  watched.get = async (id) => {
    const found = await accounts.get(id);
    reads += 1;
    if (reads === 3) all.resolve();
    await all.promise;
    return found;
  };
  const user = { kind: "user", account: owner, sessionId: "" } as const;
  const ask = (name: string) => recovery.requestEmailChange(user, "127.0.0.1", `${name}@example.com`, password);
  const asked = await Promise.allSettled(["a", "b", "c"].map(ask));
  await mailQueue.stop();
  const refused = asked.flatMap((each) => (each.status === "rejected" ? each.reason : []));
  expect(refused).toMatchObject([{ reason: "MAILED_ALREADY" }, { reason: "MAILED_ALREADY" }]);
  expect(sent).toHaveLength(1);
});

test("no letter goes to an address that is exchanged while it is asked for there", async () => {
  const { recovery, mailQueue, sent, account, accounts, watched } = await opened();
  const { token } = await recovery.issue(account.id, "new@example.com");
  const find = watched.findByEmail;
  watched.findByEmail = async (key) => {
    const found = await find(key);
    await recovery.confirmEmailChange(token);
    return found;
  };
  recovery.requestPasswordReset("anna@example.com");
  await mailQueue.stop();
  expect(await accounts.get(account.id)).toMatchObject({ email: "new@example.com", passwordReset: null });
  // What is mailed to the old address tells of the change alone.
  expect(sent).toEqual(["anna@example.com"]);
});

const quarter = 15 * 60_000;
const hour = 4 * quarter;

test("whoever asks for a letter takes no token from its owner that is new, whoever gave it", async () => {
  const { recovery, mailQueue, sent, account, clock } = await opened();
  const { token } = await recovery.issue(account.id, "");
  clock.advance(quarter - 1);
  recovery.requestPasswordReset("anna@example.com");
  await mailQueue.stop();
  expect(sent).toEqual([]);
  await recovery.resetPassword(token, "a good new one");
});

test("a token that was not used for a quarter of an hour is replaced by a letter", async () => {
  const { recovery, mailQueue, sent, account, clock } = await opened();
  const { token } = await recovery.issue(account.id, "");
  clock.advance(quarter);
  recovery.requestPasswordReset("anna@example.com");
  await mailQueue.stop();
  expect(sent).toEqual(["anna@example.com"]);
  await expect(recovery.resetPassword(token, "a good new one")).rejects.toMatchObject({ reason: "TOKEN_INVALID" });
});

test("a token for a password works for an hour, and one for an address for a day", async () => {
  const { recovery, account, clock } = await opened();
  const works = async (lifeMs: number, email: string, use: (token: string) => Promise<unknown>) => {
    for (const isLate of [false, true]) {
      const { token, expiresAt } = await recovery.issue(account.id, email);
      expect(expiresAt).toBe(clock() + lifeMs);
      clock.advance(isLate ? lifeMs : lifeMs - 1);
      if (isLate) await expect(use(token)).rejects.toMatchObject({ reason: "TOKEN_INVALID" });
      else await use(token);
    }
  };
  await works(hour, "", (token) => recovery.resetPassword(token, "a good new one"));
  await works(24 * hour, "new@example.com", (token) => recovery.confirmEmailChange(token));
});

test("a token confirms the address that it was sent to, whatever another one is for meanwhile", async () => {
  const { recovery, account, accounts, watched } = await opened();
  const { token } = await recovery.issue(account.id, "new@example.com");
  watched.get = async (id) => {
    watched.get = accounts.get;
    const found = await accounts.get(id);
    await recovery.issue(id, "another@example.com");
    return found;
  };
  await expect(recovery.confirmEmailChange(token)).rejects.toMatchObject({ reason: "TOKEN_INVALID" });
  expect(await accounts.get(account.id)).toMatchObject({ email: "anna@example.com" });
});

test("a new password is told to its owner, and a reset lifts locks, though the old sessions cannot be deleted", async () => {
  const { recovery, profiles, mailQueue, sent, account, accounts, sessions, attempts } = await opened();
  await attempts.insert({ id: account.id, failures: 20, lastAt: 1, addresses: [], version: 1 });
  const away = new StoreUnavailable();
  sessions.deleteByAccount = () => Promise.reject(away);
  const { token } = await recovery.issue(account.id, "");
  await expect(recovery.resetPassword(token, "a good new one")).rejects.toBe(away);
  expect(await attempts.get(account.id)).toBeUndefined();
  const owner = (await accounts.get(account.id)) as Account;
  const user = { kind: "user", account: owner, sessionId: "" } as const;
  const password = { old: "a good new one", wanted: "a better new one" };
  await expect(profiles.update(user, "127.0.0.1", { password })).rejects.toBe(away);
  await mailQueue.stop();
  expect(sent).toEqual(["anna@example.com", "anna@example.com"]);
});

test("the right password changes nothing for who was disabled elsewhere a moment ago", async () => {
  const { recovery, profiles, account, accounts, passwords } = await opened();
  const old = "correct horse battery";
  const owner = { ...account, passwordHash: await passwords.hash(old), version: 2 };
  await accounts.replace({ ...owner, disabled: true });
  // As this server still knows them.
  const user = { kind: "user", account: owner, sessionId: "" } as const;
  const unusable = { reason: "ACCOUNT_UNUSABLE" };
  const password = { old, wanted: "a better new one" };
  await expect(profiles.update(user, "127.0.0.1", { password })).rejects.toMatchObject(unusable);
  const asked = recovery.requestEmailChange(user, "127.0.0.1", "new@example.com", old);
  await expect(asked).rejects.toMatchObject(unusable);
  expect(await accounts.get(account.id)).toMatchObject({ passwordHash: owner.passwordHash, emailChange: null });
});

test("no letter goes to who is disabled", async () => {
  const { recovery, mailQueue, sent, account, accounts } = await opened();
  await accounts.replace({ ...account, disabled: true, version: 2 });
  recovery.requestPasswordReset("anna@example.com");
  await mailQueue.stop();
  expect(sent).toEqual([]);
  expect(await accounts.get(account.id)).toMatchObject({ passwordReset: null });
});

test("a letter comes although the clock was set back since the last one", async () => {
  const { recovery, mailQueue, sent, account, accounts, passwords, clock } = await opened();
  const password = "correct horse battery";
  const owner = { ...account, passwordHash: await passwords.hash(password), version: 2 };
  await accounts.replace(owner);
  await recovery.issue(account.id, "");
  await recovery.issue(account.id, "new@example.com");
  clock.advance(-60 * 60_000);
  recovery.requestPasswordReset("anna@example.com");
  const user = { kind: "user", account: owner, sessionId: "" } as const;
  await recovery.requestEmailChange(user, "127.0.0.1", "new@example.com", password);
  await mailQueue.stop();
  expect(sent.toSorted()).toEqual(["anna@example.com", "new@example.com"]);
});

test("an address is written to once a minute, however many accounts want it", async () => {
  const { recovery, mailQueue, sent, accounts, passwords, clock } = await opened();
  const password = "correct horse battery";
  const passwordHash = await passwords.hash(password);
  const want = async (email: string) => {
    const account = sampleAccount({ passwordHash });
    await accounts.insert(account);
    await recovery.requestEmailChange({ kind: "user", account, sessionId: "" }, "127.0.0.1", email, password);
  };
  for (const email of ["new@example.com", "New@Example.com", "other@example.com", "new@example.com"]) await want(email);
  clock.advance(60_000);
  await want("new@example.com");
  await mailQueue.stop();
  expect(sent.toSorted()).toEqual(["new@example.com", "new@example.com", "other@example.com"]);
});

test("a mail server that takes nothing keeps a thousand letters waiting and no more, and the log says so", async () => {
  const taking = Promise.withResolvers<void>();
  const sent: string[] = [];
  const send = async ({ to }: { to: string }) => {
    await taking.promise;
    sent.push(to);
  };
  const log = recordingLog();
  const mailQueue = new MailQueue({ mailer: { send, close: () => {} }, log });
  const letter = { subject: "a", text: "b" };
  for (let nth = 1; nth <= 1002; nth += 1) mailQueue.send(`${nth}@example.com`, letter);
  expect(log.lines.map(({ message }) => message)).toEqual(["a mail was dropped", "a mail was dropped"]);
  taking.resolve();
  await mailQueue.stop();
  expect(sent).toHaveLength(1000);
});

test("the log says why a mail was not sent that a stop gave up, and nothing of one that was sent meanwhile", async () => {
  const log = recordingLog();
  const refused = new Error("connection refused");
  const [tried, sent] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let tries = 0;
  const send = async ({ to }: { to: string }) => {
    if (to !== "refused@example.com") return sent.promise;
    tries += 1;
    setImmediate(tried.resolve);
    throw refused;
  };
  const mailQueue = new MailQueue({ mailer: { send, close: () => {} }, log });
  for (const to of ["slow@example.com", "refused@example.com"]) mailQueue.send(to, { subject: "s", text: "t" });
  await tried.promise;
  const stopped = mailQueue.stop();
  sent.resolve();
  await stopped;
  expect(tries).toBe(1);
  expect(log.lines).toEqual([{ level: "error", fields: { err: refused }, message: "a mail could not be sent" }]);
});
