import { randomUUID } from "node:crypto";
import { expect, test, vi } from "vitest";
import { Audit } from "../../src/core/audit.ts";
import { ClientImports } from "../../src/core/imports/client-imports.ts";
import { UserImports } from "../../src/core/imports/user-imports.ts";
import { pocketbase, pocketbaseUser } from "../../src/imports/pocketbase.ts";
import { relayClient } from "../../src/imports/relay.ts";
import { type Report, reports } from "../../src/imports/reports.ts";
import { supabase, supabaseUser } from "../../src/imports/supabase.ts";
import { claim, heartbeat } from "../../src/model/job-life.ts";
import { StoreUnavailable } from "../../src/ports/store-errors.ts";
import { sampleAccount } from "../contracts/samples.ts";
import { recordingLog } from "../support/log.ts";
import { hashed, supabaseRow } from "../support/old-systems.ts";
import { quickPasswords } from "../support/passwords.ts";
import { openCore, timing } from "./opened-core.ts";
import { picture } from "./pictures.ts";

const hour = 60 * 60 * 1000;

/** Time passes for a server that sweeps all the while. */
async function sweepFor({ clock, sweeper }: Awaited<ReturnType<typeof openCore>>, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1000) {
    clock.advance(Math.min(left, 1000));
    await sweeper.sweepJobs();
  }
}

function failure(jobId: string) {
  const error = { reason: "BROKEN", message: "it broke", retryable: false };
  return { id: "result", body: Buffer.from(JSON.stringify({ message_id: jobId, error })) };
}

test("a result waits while the database is away, and is not given back", async () => {
  const core = await openCore();
  const { id } = await core.submit();
  const { get } = core.jobs;
  let refusals = 0;
  core.jobs.get = async (wanted) => {
    if (refusals === 2) return get(wanted);
    refusals += 1;
    throw new StoreUnavailable();
  };
  core.results.start();
  // The queue's clock stands still: a message that was given back would not come again.
  await core.resultQueue.send([failure(id)]);
  await vi.waitFor(async () => expect(await get(id)).toMatchObject({ state: "FAILED" }), { timeout: 20_000 });
  expect(refusals).toBe(2);
});

test("a result that cannot be read for another fault is given back, and the log says so", async () => {
  const core = await openCore();
  const { id } = await core.submit();
  const { get } = core.jobs;
  const err = new Error("a fault");
  core.jobs.get = () => Promise.reject(err);
  core.results.start();
  await core.resultQueue.send([failure(id)]);
  const told = { level: "error", fields: { err }, message: "the queue failed; it is tried again" };
  await vi.waitFor(() => expect(core.log.lines).toContainEqual(told), { timeout: 20_000 });
  core.jobs.get = get;
  const comesAgain = async () => {
    core.clock.advance(1000);
    expect(await get(id)).toMatchObject({ state: "FAILED" });
  };
  await vi.waitFor(comesAgain, { timeout: 20_000 });
});

test("a result that waits is given back when the server stops", async () => {
  const core = await openCore();
  const { id } = await core.submit();
  const { get } = core.jobs;
  const asked = Promise.withResolvers<void>();
  core.jobs.get = async () => {
    asked.resolve();
    throw new StoreUnavailable();
  };
  core.results.start();
  await core.resultQueue.send([failure(id)]);
  await asked.promise;
  await core.results.stop();
  const bodies: Uint8Array[] = [];
  const consumer = core.resultQueue.consume(
    async ({ body, deliveryCount }) => {
      bodies.push(body);
      expect(deliveryCount).toBe(2);
      return { kind: "complete" };
    },
    { concurrency: 1 },
  );
  await vi.waitFor(() => expect(bodies).toHaveLength(1));
  await consumer.stop();
  expect(await get(id)).toMatchObject({ state: "QUEUED" });
});

test("a result that the database took in part before it went away is taken again", async () => {
  const core = await openCore();
  const { id } = await core.submit();
  const job = { kind: "job", jobId: id, attempt: null, inputImageId: "", owner: core.user } as const;
  const { id: output } = await core.images.upload(onePiece(await picture("png")), job);
  const { replace } = core.jobs;
  let refusals = 0;
  core.jobs.replace = async (wanted) => {
    if (wanted.state !== "SUCCEEDED" || refusals === 1) return replace(wanted);
    refusals += 1;
    throw new StoreUnavailable();
  };
  core.results.start();
  const body = Buffer.from(JSON.stringify({ message_id: id, uuid_processed: output }));
  await core.resultQueue.send([{ id: "result", body }]);
  const succeeded = { state: "SUCCEEDED", outputImageIds: [output] };
  await vi.waitFor(async () => expect(await core.records.get(id)).toMatchObject(succeeded), { timeout: 20_000 });
  expect(refusals).toBe(1);
});

test("a worker that could not renew its lease while the database was away keeps its job, if it is still there", async () => {
  const core = await openCore();
  const { id } = await core.submit();
  await core.records.change(id, (job) => claim(job, 1, core.clock(), timing));
  const { due } = core.jobs;
  core.jobs.due = () => Promise.reject(new StoreUnavailable());
  for (let awayMs = 0; awayMs < timing.leaseMs; awayMs += 1000) {
    core.clock.advance(1000);
    await expect(core.sweeper.sweepJobs()).rejects.toBeInstanceOf(StoreUnavailable);
  }
  core.jobs.due = due;
  await core.sweeper.sweepJobs();
  await core.records.change(id, (job) => heartbeat(job, 1, 0.5, core.clock(), timing));
  await sweepFor(core, timing.leaseMs - 1);
  expect(await core.records.get(id)).toMatchObject({ state: "RUNNING", attempt: 1, progress: 0.5 });
  await sweepFor(core, 1);
  expect(await core.records.get(id)).toMatchObject({ state: "QUEUED" });
});

test("a worker that could not renew its lease while the server stood still keeps its job, if it is still there", async () => {
  const core = await openCore();
  const { id } = await core.submit();
  await core.records.change(id, (job) => claim(job, 1, core.clock(), timing));
  for (let pauses = 0; pauses < 4; pauses += 1) {
    core.clock.advance(hour);
    await core.sweeper.sweepJobs();
    await core.records.change(id, (job) => heartbeat(job, 1, 0.5, core.clock(), timing));
  }
  await sweepFor(core, timing.leaseMs - 1);
  expect(await core.records.get(id)).toMatchObject({ state: "RUNNING", attempt: 1 });
  await sweepFor(core, 1);
  expect(await core.records.get(id)).toMatchObject({ state: "QUEUED" });
});

test("what an upload left when the database went away is swept, bytes and all", async () => {
  const core = await openCore();
  const { write } = core.blobs;
  let written = "";
  core.blobs.write = async (id, bytes) => {
    await write(id, bytes);
    written = id;
    throw new StoreUnavailable();
  };
  await expect(core.upload()).rejects.toBeInstanceOf(StoreUnavailable);
  expect(await core.images.open(written, core.user).catch(({ code }) => code)).toBe("not_found");
  expect(await core.blobs.read(written)).toBeDefined();
  core.clock.advance(2 * hour);
  await core.images.sweep();
  expect(await core.blobs.read(written)).toBeUndefined();
});

test("an upload that was swept before it was done leaves no bytes", async () => {
  const core = await openCore();
  const { write } = core.blobs;
  let written = "";
  core.blobs.write = async (id, bytes) => {
    core.clock.advance(2 * hour);
    await core.images.sweep();
    await write(id, bytes);
    written = id;
  };
  await expect(core.upload()).rejects.toThrow("swept");
  expect(await core.blobs.read(written)).toBeUndefined();
});

test("what a file left when the database or the disk went away is swept, bytes and all", async () => {
  const core = await openCore();
  const { write, delete: remove } = core.blobs;
  let written = "";
  const store = (error: Error) => {
    core.blobs.write = async (id, bytes) => {
      await write(id, bytes);
      written = id;
      throw error;
    };
    return core.files.store({ name: "notes.txt", chatId: undefined }, notes(), core.user);
  };
  const onDisk = new Error("this disk is read-only");
  for (const error of [new StoreUnavailable(), onDisk]) {
    core.blobs.delete = () => Promise.reject(onDisk);
    await expect(store(error)).rejects.toBe(error);
    expect(await core.files.open(written, core.user)).toBeUndefined();
    expect(await core.blobs.read(written)).toBeDefined();
    core.blobs.delete = remove;
    core.clock.advance(2 * hour);
    await core.files.sweep();
    expect(await core.blobs.read(written)).toBeUndefined();
  }
  core.blobs.write = write;
  await core.files.store({ name: "notes.txt", chatId: undefined }, notes(), core.user);
});

async function* notes(): AsyncGenerator<Uint8Array> {
  yield Buffer.from("notes");
}

test("a job that is deleted while it is being changed is no failure of the queue, nor of sweeping or sending", async () => {
  const core = await openCore();
  const { replace } = core.jobs;
  core.jobs.replace = async (job) => {
    await core.jobs.delete(job.id, job.version - 1);
    return replace(job);
  };
  const [told, swept] = [await core.submit(), await core.submit()];
  // Notes that both were sent, the first too late.
  await core.dispatcher.idle();
  expect(await core.jobs.getMany([told.id, swept.id])).toEqual([]);

  const reported = await core.submit();
  const asides: string[] = [];
  core.results.start();
  const consumer = core.resultQueue.consumeDeadLetters(async ({ reason }) => {
    asides.push(reason);
    return { kind: "complete" };
  });
  await core.resultQueue.send([failure(reported.id)]);
  await vi.waitFor(() => expect(asides).toEqual(["UnknownJob"]), { timeout: 20_000 });
  await consumer.stop();

  await core.submit();
  core.clock.advance(hour);
  await core.sweeper.sweepJobs();
  expect(core.log.lines.filter(({ level }) => level === "warn" || level === "error")).toEqual([]);
});

async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const ada = { id: "kapmnutzdvwttnf", username: "ada", passwordHash: hashed("pocket") };

async function openImports() {
  const core = await openCore();
  const base = {
    ...core,
    audit: new Audit(core),
    requestId: "import",
    dryRun: false,
    passwords: quickPasswords(),
    apiKeys: { issue: async () => ({ token: randomUUID(), hash: randomUUID() }) },
    scopes: undefined,
  };
  return {
    core,
    pocketbaseUsers: new UserImports(base, pocketbase),
    supabaseUsers: new UserImports(base, supabase),
    clients: new ClientImports(base),
  };
}

/** Each record is written, and the answer lost. */
function loseAnswers<T>(store: { insert(record: T): Promise<void> }): void {
  const { insert } = store;
  store.insert = async (record) => {
    await insert(record);
    throw new StoreUnavailable();
  };
}

test("a record whose answer was lost is imported, and a client's key told", async () => {
  const { core, pocketbaseUsers, supabaseUsers, clients } = await openImports();
  loseAnswers(core.accounts);
  loseAnswers(core.clients);
  const made = await Promise.all([
    pocketbaseUsers.take(pocketbaseUser(ada)),
    supabaseUsers.take(supabaseUser(supabaseRow())),
    clients.take(relayClient({ id: 7, name: "mobile" })),
  ]);
  expect(made.map(({ outcome }) => outcome)).toEqual(["imported", "imported", "imported"]);
  expect(made[2]).toHaveProperty("key", expect.any(String));
  const events = await core.audit.list({ where: undefined, from: "", before: "~", limit: 9 });
  expect(events.map(({ action }) => action).sort()).toEqual(["client.imported", "user.imported", "user.imported"]);
});

test("a user whose name somebody takes in that moment is refused, as any whose name is taken", async () => {
  const { core, pocketbaseUsers } = await openImports();
  const { insert } = core.accounts;
  core.accounts.insert = async (account) => {
    core.accounts.insert = insert;
    await insert(sampleAccount({ username: ada.username, usernameKey: ada.username }));
    await insert(account);
  };
  await expect(pocketbaseUsers.take(pocketbaseUser(ada))).rejects.toThrow("username: is another account's");
});

test("of records with one name or id the first gets it, however long the others' reads and writes take", async () => {
  const { core, pocketbaseUsers } = await openImports();
  const { findByRecordId, insert } = core.accounts;
  const calls: string[] = [];
  core.accounts.findByRecordId = async (id) => {
    calls.push(`find ${id}`);
    return findByRecordId(id);
  };
  core.accounts.insert = async (account) => {
    await insert(account);
    calls.push(`inserted ${account.recordId}`);
  };
  const made = await Promise.allSettled(
    [ada, { ...ada, username: "ada2" }, { ...ada, id: "kapmnutzdvwttng" }].map((values) =>
      pocketbaseUsers.take(pocketbaseUser(values)),
    ),
  );
  expect(made).toMatchObject([
    { value: { outcome: "imported" } },
    { value: { outcome: "there" } },
    { reason: { message: "username: is another account's" } },
  ]);
  expect(calls.slice(0, 2)).toEqual([`find ${ada.id}`, `inserted ${ada.id}`]);
});

test("an audit event that cannot be kept wants somebody, but for an act that the same fault has made fail", async () => {
  const core = await openCore();
  core.audit.append = async () => {
    throw new StoreUnavailable();
  };
  const audit = new Audit(core);
  const event = { action: "session.started", actor: "anonymous", target: "", address: "192.0.2.1", requestId: "a" };
  for (const reason of ["", "LOGIN_FAILED", new StoreUnavailable().reason]) await audit.record({ ...event, reason });
  expect(core.log.lines.map(({ level }) => level)).toEqual(["error", "error", "info"]);
});

test("an import stops where the database stays away, and says at which record", async () => {
  const log = recordingLog();
  const rows = ["record 1", "record 2"].map((place) => ({ place, values: { place } }));
  const take = async ({ place }: Readonly<Record<string, unknown>>) => {
    if (place === "record 2") throw new StoreUnavailable();
    return { outcome: "there", id: "a" } as const;
  };
  const told: Report[] = [];
  const reading = (async () => {
    for await (const report of reports(rows, take, log)) told.push(report);
  })();
  await expect(reading).rejects.toThrow(/^record 2: the database cannot be used now/);
  expect(told).toMatchObject([{ place: "record 1", outcome: "there" }]);
  expect(log.lines).toMatchObject([
    { level: "error", fields: { place: "record 2", err: expect.any(StoreUnavailable) } },
  ]);
});
