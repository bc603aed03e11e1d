import { once } from "node:events";
import { readdirSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test, vi } from "vitest";
import { Role } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { bearer } from "../../src/client/index.ts";
import { unauthenticated } from "../../src/model/errors.ts";
import { dateOf } from "../../src/model/usage.ts";
import { clockSkewMs } from "../../src/ports/clock.ts";
import { sampleAccount, sampleJob, sampleSession } from "../contracts/samples.ts";
import { openCore } from "../core/opened-core.ts";
import { picture } from "../core/pictures.ts";
import { recordingLog } from "../support/log.ts";
import { refusal } from "../support/refusals.ts";
import { adminPassword, serve, signIn, signInAdmin, submitJob } from "../support/server.ts";

const longAgo = 1;

async function opened(log = recordingLog()) {
  const server = await serve({}, { worker: false, log });
  const { credential, account } = await signInAdmin(server);
  return { server, admin: credential, adminId: account?.id ?? "" };
}

function rowsOf(dataDir: string, table: string): number {
  const db = new DatabaseSync(join(dataDir, "darkroom.db"), { readOnly: true });
  const { count } = db.prepare(`SELECT count(*) AS count FROM ${table}`).get() ?? {};
  db.close();
  return Number(count);
}

describe("a deleted account", () => {
  test("is gone with its sessions, jobs and pictures, and its names are free", async () => {
    const { server, admin } = await opened();
    const { auth, jobs, dataDir } = server;
    const [user, other] = [await signIn(server), await signIn(server)];
    const uploaded = [await submitJob(server, user.credential), await submitJob(server, other.credential)];
    const counted = () => rowsOf(dataDir, "user_daily_usage");
    await server.jobs.getUsage({}, user.credential);
    expect(counted()).toBe(2);
    const files = () =>
      readdirSync(join(dataDir, "pictures"), { recursive: true }).filter((f) => /[\da-f-]{36}$/.test(String(f)));
    expect(files()).toHaveLength(2);

    await auth.deleteUser({ userId: user.account?.id ?? "" }, admin);
    expect(await refusal(auth.checkAuth({}, user.credential))).toMatchObject({ code: "Unauthenticated" });
    expect(await refusal(auth.refreshToken({ refreshToken: user.refreshToken }))).toMatchObject({
      reason: "REFRESH_TOKEN_INVALID",
    });
    expect(await refusal(auth.login({ identity: user.username, password: user.password }))).toMatchObject({
      reason: "LOGIN_FAILED",
    });
    for (const call of [
      auth.getUser({ userId: user.account?.id ?? "" }, admin),
      auth.deleteUser({ userId: user.account?.id ?? "" }, admin),
    ])
      expect(await refusal(call)).toMatchObject({ reason: "USER_NOT_FOUND" });
    const { users } = await auth.listUsers({}, admin);
    expect(users.map(({ username }) => username).toSorted()).toEqual(["admin", other.username].toSorted());
    expect(files()).toHaveLength(1);
    expect(counted()).toBe(1);

    const { job } = await jobs.pollImageJob({ jobId: uploaded[1]?.jobId ?? "" }, other.credential);
    expect(job?.id).toBe(uploaded[1]?.jobId);
    await auth.signUp({ username: user.username, password: user.password });
    const { tokens } = await auth.login({ identity: user.username, password: user.password });
    const again = bearer(tokens?.accessToken ?? "");
    expect((await jobs.listImageJobs({}, again)).jobs).toEqual([]);
    expect(await refusal(jobs.pollImageJob({ jobId: uploaded[0]?.jobId ?? "" }, again))).toMatchObject({
      reason: "JOB_NOT_FOUND",
    });
  });

  test("goes although somebody took its id for a name", async () => {
    const { server, admin } = await opened();
    const user = await signIn(server);
    const userId = user.account?.id ?? "";
    await server.auth.signUp({ username: userId, password: user.password });
    await server.auth.deleteUser({ userId }, admin);
    expect(await refusal(server.auth.getUser({ userId }, admin))).toMatchObject({ reason: "USER_NOT_FOUND" });
  });

  test.each([
    ["/images", "images", "image/jpeg", ""],
    [
      "/upload",
      "files",
      "multipart/form-data; boundary=b",
      '--b\r\ncontent-disposition: form-data; name="uploadFile"; filename="a.bin"\r\n\r\n',
    ],
  ])("stores nothing of what was on its way to %s, and nobody is alarmed", async (path, table, type, head) => {
    const log = recordingLog();
    const { server, admin } = await opened(log);
    const { credential, account } = await signIn(server);
    const headers = { ...Object.fromEntries(new Headers(credential.headers)), "content-type": type };
    const sent = request(server.url + path, { method: "POST", headers });
    const answer = once(sent, "response") as Promise<[IncomingMessage]>;
    const bytes = await picture("jpeg");
    sent.write(Buffer.concat([Buffer.from(head), bytes.subarray(0, 100)]));
    await vi.waitFor(() => expect(rowsOf(server.dataDir, table)).toBe(1), 20_000);
    await server.auth.deleteUser({ userId: account?.id ?? "" }, admin);
    sent.end(Buffer.concat([bytes.subarray(100), Buffer.from(head && "\r\n--b--\r\n")]));
    const [{ statusCode }] = await answer;
    expect(statusCode).toBe(401);
    expect([rowsOf(server.dataDir, "images"), rowsOf(server.dataDir, "files")]).toEqual([0, 0]);
    expect(log.lines.filter(({ level }) => level === "error")).toEqual([]);
  });

  test("stores nothing of what came whole when it was gone", async () => {
    const core = await openCore();
    const gone = unauthenticated("SESSION_ENDED", "the session has ended");
    Object.assign(core.authentication, { confirm: () => Promise.reject(gone) });
    await expect(core.upload()).rejects.toBe(gone);
    const file = { name: "notes.txt", chatId: undefined };
    await expect(core.files.store(file, notes(), core.user)).rejects.toBe(gone);
    expect(await core.imageStore.listByOwner(core.user.account.id, 9)).toEqual([]);
    expect(await core.fileStore.listByOwner(core.user.account.id, 9)).toEqual([]);
  });

  test("may be one's own, by its password", async () => {
    const { server } = await opened();
    const user = await signIn(server);
    const remove = (password: string) => server.auth.deleteProfile({ password }, user.credential);
    expect(await refusal(remove(""))).toMatchObject({ fields: ["password"] });
    expect(await refusal(remove("wrong"))).toMatchObject({ code: "Unauthenticated", reason: "PASSWORD_WRONG" });
    await remove(user.password);
    expect(await refusal(server.auth.checkAuth({}, user.credential))).toMatchObject({ code: "Unauthenticated" });
  });

  test("is never the last administrator", async () => {
    const { server, admin, adminId } = await opened();
    const last = { code: "FailedPrecondition", reason: "LAST_ADMIN" };
    expect(await refusal(server.auth.deleteUser({ userId: adminId }, admin))).toMatchObject(last);
    expect(await refusal(server.auth.deleteProfile({ password: adminPassword }, admin))).toMatchObject(last);
    const { user } = await server.auth.createUser(
      { username: "second", password: "correct horse battery", role: Role.ADMIN },
      admin,
    );
    await server.auth.deleteProfile({ password: adminPassword }, admin);
    expect(user?.username).toBe("second");
  });

  test("whose server died in between is deleted by the sweeper", async () => {
    const core = await openCore();
    const { id } = core.user.account;
    await core.deleteUser(longAgo);
    const job = await core.submit();
    const soon = core.clock() + 60_000;
    await core.sessions.insert(sampleSession({ accountId: id, idleAt: soon, expiresAt: soon }));
    await core.attempts.insert({ id, failures: 1, lastAt: core.clock(), addresses: [], version: 1 });
    const fileId = await core.files.store({ name: "notes.txt", chatId: undefined }, notes(), core.user);
    await core.sweeper.sweepRetention();
    expect(await core.accounts.get(id)).toBeUndefined();
    expect(await core.sessions.listByAccount(id, 9)).toEqual([]);
    expect(await core.attempts.get(id)).toBeUndefined();
    expect(await core.fileStore.listByOwner(id, 9)).toEqual([]);
    expect(await core.blobs.read(fileId)).toBeUndefined();
    expect(await core.jobs.get(job.id)).toBeUndefined();
    expect(await core.imageStore.listByOwner(id, 9)).toEqual([]);
    expect(await core.blobs.read(job.inputImageId)).toBeUndefined();
  });

  test("takes with it what another server took that had not heard of it", async () => {
    const core = await openCore();
    const { id } = core.user.account;
    const userDay = { userId: id, email: "a@example.com", date: dateOf(core.clock()) };
    await core.deleteUser();
    await core.sweeper.sweepRetention();
    const job = await core.submit();
    await core.usage.add(userDay, 1, 1);
    core.clock.advance(clockSkewMs);
    await core.sweeper.sweepRetention();
    expect(await core.jobs.get(job.id)).toBeUndefined();
    expect(await core.usage.list(id, "")).toEqual([]);
    expect(await core.imageStore.listByOwner(id, 9)).toEqual([]);
    expect(await core.accounts.get(id)).toBeUndefined();
  });

  test("that cannot be deleted yet keeps nothing else from it", async () => {
    const core = await openCore();
    const stuck = await core.deleteUser(longAgo);
    // The other one comes after it.
    const id = "ffffffff-ffff-4fff-bfff-ffffffffffff";
    await core.accounts.insert(sampleAccount({ id, disabled: true, deletedAt: longAgo }));
    await core.submit();
    const remove = core.blobs.delete;
    Object.assign(core.blobs, { delete: () => Promise.reject(new Error("this disk is read-only")) });
    await core.sweeper.sweepRetention();
    expect(await core.accounts.listDeleted(9)).toEqual([stuck]);
    Object.assign(core.blobs, { delete: remove });
    await core.sweeper.sweepRetention();
    expect(await core.accounts.listDeleted(9)).toEqual([]);
  });
});

test("deleting an account with more than can be deleted soon is answered, and goes on", async () => {
  const core = await openCore();
  const { id } = await core.upload();
  const { delete: remove } = core.blobs;
  const slow = Promise.withResolvers<void>();
  core.blobs.delete = (blob) => slow.promise.then(() => remove(blob));
  await core.deletions.delete(core.user.account.id);
  expect((await core.accounts.get(core.user.account.id))?.deletedAt).not.toBeNull();
  expect(await core.blobs.read(id)).toBeDefined();
  slow.resolve();
  await core.deletions.idle();
  expect([await core.blobs.read(id), await core.imageStore.get(id)]).toEqual([undefined, undefined]);
});

test("a stop leaves the rest of a deletion that goes on to the next process, and waits until it does", async () => {
  const core = await openCore();
  const ownerId = core.user.account.id;
  await Promise.all(Array.from({ length: 101 }, () => core.jobs.insert(sampleJob({ ownerId }))));
  await core.files.store({ name: "notes.txt", chatId: undefined }, notes(), core.user);
  await core.upload();
  const [begun, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { delete: remove } = core.jobs;
  core.jobs.delete = async (...job) => {
    begun.resolve();
    await gate.promise;
    return remove(...job);
  };
  const deleting = core.deletions.delete(ownerId);
  await begun.promise;
  const stores = [core.fileStore, core.imageStore];
  const stopped = core.sweeper
    .stop()
    .then(async () => [
      await core.jobs.list({ ownerId, states: [], after: undefined, limit: 9 }),
      ...(await Promise.all(stores.map((store) => store.listByOwner(ownerId, 9)))),
    ]);
  await new Promise(setImmediate);
  gate.resolve();
  expect((await stopped).map(({ length }) => length)).toEqual([1, 1, 1]);
  await deleting;
  expect(core.log.lines).toEqual([]);
});

test("a deleted account's job that cannot be deleted keeps none of its other data, nor the sweeper", async () => {
  const core = await openCore();
  const { account } = core.user;
  await core.deleteUser(longAgo);
  const { id, inputImageId } = await core.submit();
  const { delete: remove } = core.jobs;
  core.jobs.delete = async () => false;
  await core.sweeper.sweepRetention();
  expect(await core.blobs.read(inputImageId)).toBeUndefined();
  expect(await core.accounts.get(account.id)).toBeDefined();
  core.jobs.delete = remove;
  await core.sweeper.sweepRetention();
  expect([await core.jobs.get(id), await core.accounts.get(account.id)]).toEqual([undefined, undefined]);
});

test("a deleted account's jobs may be deleted by two servers at once", async () => {
  const core = await openCore();
  const { id } = await core.deleteUser(longAgo);
  await core.submit();
  const { delete: remove } = core.jobs;
  // The other one is always first.
  core.jobs.delete = async (...job) => (await remove(...job)) && remove(...job);
  await core.sweeper.sweepRetention();
  expect(await core.accounts.get(id)).toBeUndefined();
  expect(core.log.lines).toEqual([]);
});

async function* notes(): AsyncGenerator<Uint8Array> {
  yield Buffer.from("notes");
}
