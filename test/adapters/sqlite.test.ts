import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Worker } from "node:worker_threads";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { sqliteAccountStore } from "../../src/adapters/sqlite/account-store.ts";
import { Bell } from "../../src/adapters/sqlite/bell.ts";
import { Database } from "../../src/adapters/sqlite/database.ts";
import { sqliteImageStore } from "../../src/adapters/sqlite/image-store.ts";
import { sqliteJobStore } from "../../src/adapters/sqlite/job-store.ts";
import * as sqliteQueues from "../../src/adapters/sqlite/queues.ts";
import { sqliteSecretStore } from "../../src/adapters/sqlite/secret-store.ts";
import { sqliteSessionStore } from "../../src/adapters/sqlite/session-store.ts";
import { databaseMigrations } from "../../src/adapters/sqlite/tables.ts";
import { openQueues, openStores } from "../../src/app/backends.ts";
import { complete } from "../../src/ports/queue.ts";
import { DuplicateKey, StoreUnavailable } from "../../src/ports/store-errors.ts";
import { receive, receiveDead } from "../contracts/receiver.ts";
import { sampleAccount, sampleImage, sampleJob, sampleSession } from "../contracts/samples.ts";
import { recordingLog } from "../support/log.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { openDatabase, sqliteQueueHarness } from "./sqlite-harness.ts";

const table = "CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT";
const insert = "INSERT INTO t VALUES (?, ?)";
const idsIn = (db: Database) => db.read("SELECT id FROM t ORDER BY id").map(({ id }) => id);

describe("an SQLite database", () => {
  test("has everything when it is opened again", async () => {
    const { db, path, close } = await openDatabase();
    const [account, session, job, image] = [sampleAccount(), sampleSession(), sampleJob(), sampleImage()];
    await sqliteAccountStore(db).insert(account);
    await sqliteSessionStore(db).insert(session);
    await sqliteJobStore(db, () => 1).insert(job);
    await sqliteImageStore(db).insert(image);
    await sqliteSecretStore(db).getOrCreate("key", "value");
    await close();
    const { db: reopened } = await openDatabase(path);
    expect(await sqliteAccountStore(reopened).get(account.id)).toStrictEqual(account);
    expect(await sqliteSessionStore(reopened).get(session.id)).toStrictEqual(session);
    expect(await sqliteJobStore(reopened, () => 1).due(1, 10)).toStrictEqual([job]);
    expect(await sqliteImageStore(reopened).get(image.id)).toStrictEqual(image);
    expect(await sqliteSecretStore(reopened).getOrCreate("key", "other")).toBe("value");
  });

  test("has nothing in its files of what was deleted or replaced", async () => {
    const { db, path, close } = await openDatabase(undefined, [table]);
    const replace = "UPDATE t SET text = ? WHERE id = ?";
    const text = (id: number) => `secret ${id} `.repeat(id % 2 === 0 ? 1000 : 10);
    for (let id = 0; id < 20; id += 1) await db.write(insert, id, text(id));
    for (let id = 0; id < 10; id += 1) await db.write("DELETE FROM t WHERE id = ?", id);
    for (let id = 10; id < 20; id += 1) await db.write(replace, "short", id);
    await close();
    expect(readdirSync(dirname(path))).toEqual([basename(path)]);
    expect(readFileSync(path, "latin1")).not.toContain("secret");
  });

  test("shows every read what was written before, here and in other processes", async () => {
    const { db, path } = await openDatabase(undefined, [table]);
    const { db: other } = await openDatabase(path, [table]);
    for (let id = 0; id < 20; id += 1) {
      const [writer, reader] = id % 2 === 0 ? [db, other] : [other, db];
      await writer.write(insert, id, "row");
      expect(idsIn(writer)).toHaveLength(id + 1);
      expect(idsIn(reader)).toHaveLength(id + 1);
    }
  });

  test("takes writes of two processes at once without losing one", async () => {
    const { db, path } = await openDatabase(undefined, [table]);
    const { db: other } = await openDatabase(path, [table]);
    const writes = Array.from({ length: 300 }, (_, id) => (id % 3 === 0 ? db : other).write(insert, id, "row"));
    await Promise.all(writes);
    expect(idsIn(db)).toHaveLength(300);
  });

  test("holds no writes back for longer than it takes until there are many, however long a turn takes", async () => {
    const { db } = await openDatabase(undefined, [table]);
    const writes = Array.from({ length: 64 }, (_, id) => db.write(insert, id, "row"));
    const giveUp = performance.now() + 5000;
    while (idsIn(db).length < 64 && performance.now() < giveUp);
    expect(idsIn(db)).toHaveLength(64);
    await Promise.all(writes);
  });

  test("is made by one of several processes that start at once", async () => {
    const directory = scratchDirectory();
    // One in twenty finds another that is still making the file's index.
    for (let time = 0; time < 40; time += 1) {
      const path = join(directory, `${time}.db`);
      const opened = await Promise.all(Array.from({ length: 4 }, () => openDatabase(path)));
      await sqliteSecretStore(opened[0]?.db as Database).getOrCreate("key", "value");
      for (const { db } of opened) expect(await sqliteSecretStore(db).getOrCreate("key", "other")).toBe("value");
      await Promise.all(opened.map(({ close }) => close()));
    }
  });

  test("fails one write of a batch and does the others", async () => {
    const { db } = await openDatabase(undefined, [table]);
    const results = await Promise.allSettled([
      db.write(insert, 1, "first"),
      db.write(insert, 1, "same"),
      db.write(insert, 2, "second"),
      db.write("INSERT INTO nothing VALUES (1)"),
      db.writeAll([
        { sql: insert, params: [3, "undone"] },
        { sql: insert, params: [2, "same"] },
      ]),
      db.write(insert, 4, null),
      db.writeAll([
        { sql: insert, params: [5, "both"] },
        { sql: insert, params: [6, "both"] },
      ]),
      db.write(insert, 7, "last"),
    ]);
    expect(results.map(({ status }) => status === "fulfilled")).toEqual([
      true,
      false,
      true,
      false,
      false,
      false,
      true,
      true,
    ]);
    expect(results.map((result) => result.status === "rejected" && result.reason instanceof DuplicateKey)).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8].map((nth) => nth === 2 || nth === 5),
    );
    expect(idsIn(db)).toEqual([1, 2, 5, 6, 7]);
  });

  test("stores nothing of a write that it refused when the disk was full", async () => {
    // A write that finds no room takes the whole transaction back, and the next one would begin anew without it.
    const { db } = await openDatabase(undefined, [table, "PRAGMA max_page_count = 12"]);
    const results = await Promise.allSettled([
      db.write(insert, 1, "small"),
      db.write(insert, 2, "x".repeat(100_000)),
      db.write(insert, 3, "small"),
    ]);
    const written = [1, 2, 3].filter((_, index) => results[index]?.status === "fulfilled");
    expect(written).not.toContain(2);
    expect(results[1]).toMatchObject({ reason: { name: "StoreUnavailable", code: "unavailable" } });
    expect(idsIn(db)).toEqual(written);
    await db.write(insert, 4, "small");
    expect(idsIn(db)).toContain(4);
  });

  test("gives the rows that the last statement returns", async () => {
    const { db } = await openDatabase(undefined, [table]);
    const rows = await db.writeAll([
      { sql: insert, params: [1, "a"] },
      { sql: `${insert} RETURNING id, text`, params: [2, "b"] },
    ]);
    expect(rows.map((row) => ({ ...row }))).toEqual([{ id: 2, text: "b" }]);
  });

  test("is brought from an older version to the newest, each script once", async () => {
    const migrations = [table, "INSERT INTO t VALUES (1, 'second'); INSERT INTO t VALUES (2, 'second')"];
    const { db, path, close } = await openDatabase(undefined, migrations.slice(0, 1));
    await db.write(insert, 9, "kept");
    await close();
    for (const more of [migrations, [...migrations, "DELETE FROM t WHERE id = 1"]]) {
      const opened = await openDatabase(path, more);
      expect(idsIn(opened.db)).toEqual(more.length === 2 ? [1, 2, 9] : [2, 9]);
      await opened.close();
    }
  });

  test("finds results by their owner that an older version gave away without noting whose they are", async () => {
    const { db, path, close } = await openDatabase(undefined, databaseMigrations.slice(0, 4));
    const [adopted, nobodys] = [sampleImage(), sampleImage({ ownerId: null })];
    for (const image of [adopted, nobodys]) await sqliteImageStore(db).insert({ ...image, ownerId: null });
    await db.write("UPDATE images SET doc = ? WHERE id = ?", JSON.stringify(adopted), adopted.id);
    await close();
    const store = sqliteImageStore((await openDatabase(path)).db);
    expect(await store.listByOwner(adopted.ownerId ?? "", 9)).toStrictEqual([adopted]);
    expect(await store.adopt({ ...adopted, ownerId: "other" })).toBe(false);
    expect(await store.adopt({ ...nobodys, ownerId: "other" })).toBe(true);
  });

  test("lists sessions that an older version stored by when they began", async () => {
    const { db, path, close } = await openDatabase(undefined, databaseMigrations.slice(0, 5));
    const sessions = [2, 3, 1].map((createdAt) => sampleSession({ accountId: "a", createdAt }));
    const sql = "INSERT INTO sessions (id, account_id, ends_at, version, doc) VALUES (?, 'a', 9, 1, ?)";
    for (const session of sessions) await db.write(sql, session.id, JSON.stringify(session));
    await close();
    const found = await sqliteSessionStore((await openDatabase(path)).db).listByAccount("a", 2);
    expect(found.map(({ createdAt }) => createdAt)).toEqual([3, 2]);
  });

  test("keeps nothing of a script that failed", async () => {
    const { path, close } = await openDatabase(undefined, [table]);
    await close();
    await expect(Database.open(path, [table, "INSERT INTO t VALUES (1, 'x'); broken"])).rejects.toThrow(/syntax/);
    const { db } = await openDatabase(path, [table, "INSERT INTO t VALUES (2, 'y')"]);
    expect(idsIn(db)).toEqual([2]);
  });

  test("is refused when a newer version made it, and left as it is", async () => {
    const { db, path, close } = await openDatabase();
    await sqliteSecretStore(db).getOrCreate("key", "value");
    await close();
    const version = databaseMigrations.length + 1;
    const raw = new DatabaseSync(path);
    raw.exec(`PRAGMA user_version = ${version}`);
    await expect(Database.open(path, databaseMigrations)).rejects.toThrow(
      /test\.db cannot be opened: it was made by a newer version of Darkroom: start that one, or restore a backup$/,
    );
    expect(raw.prepare("PRAGMA user_version").get()?.user_version).toBe(version);
    expect(raw.prepare("SELECT value FROM secrets").get()?.value).toBe("value");
    raw.close();
  });

  test("is refused with the reason when it cannot be opened", async () => {
    await expect(Database.open(join(scratchDirectory(), "missing", "test.db"), [])).rejects.toThrow(/unable to open/);
  });

  test("ends its writer when it cannot be read", async () => {
    const path = join(scratchDirectory(), "test.db");
    const ended = new Promise((resolve) => {
      process.once("worker", (writer: Worker) => {
        writer.once("message", () => renameSync(path, `${path}.away`)).once("exit", resolve);
      });
    });
    await expect(Database.open(path, [])).rejects.toThrow(/test.db cannot be opened: unable to open/);
    await ended;
  });

  test("is away for writes while another process keeps it locked, and says so", async () => {
    const path = join(scratchDirectory(), "test.db");
    const alarms = { disk: vi.fn(), lock: vi.fn() };
    const db = await Database.open(path, [table], alarms);
    onTestFinished(() => db.close());
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    await expect(db.write(insert, 1, "row")).rejects.toMatchObject({ name: "StoreUnavailable", code: "unavailable" });
    expect(alarms.lock).toHaveBeenCalledExactlyOnceWith(new Error("the database refused a write: database is locked"));
    expect(alarms.disk).not.toHaveBeenCalled();
    other.exec("ROLLBACK");
    await db.write(insert, 1, "row");
    other.close();
  });

  test("does all that was asked of it before it closes", async () => {
    const { db, path, close } = await openDatabase(undefined, [table]);
    const writes = Array.from({ length: 50 }, (_, id) => db.write(insert, id, "row"));
    await close();
    await Promise.all(writes);
    const { db: reopened } = await openDatabase(path, [table]);
    expect(idsIn(reopened)).toHaveLength(50);
  });

  test("rejects a write after it was closed", async () => {
    const { db, close } = await openDatabase(undefined, [table]);
    await close();
    await expect(settledSoon(db.write(insert, 1, "late"))).resolves.toBe("rejected");
  });

  test("refuses what waits and what comes when its writer fails, with the reason, and can be closed", async () => {
    const { db } = await openDatabase(undefined, [table]);
    const post = vi.spyOn(Worker.prototype, "postMessage");
    await db.write(insert, 1, "row");
    const [writer] = post.mock.contexts as Worker[];
    post.mockRestore();
    const refused = expect(db.write(insert, 2, "row")).rejects.toThrow("out of memory");
    writer?.emit("error", new Error("out of memory"));
    await refused;
    await writer?.terminate();
    await expect(db.write(insert, 3, "row")).rejects.toThrow("out of memory");
    await expect(settledSoon(db.close())).resolves.toBe("fulfilled");
  });

  test("can be closed twice", async () => {
    const { db, close } = await openDatabase();
    await close();
    await expect(settledSoon(db.close())).resolves.toBe("fulfilled");
  });
});

test("dead jobs, dead letters and an account's newest sessions are found by an index, in its order", async () => {
  const { db } = await openDatabase();
  const harness = await sqliteQueueHarness();
  const queue = await harness.open();
  const read = vi.spyOn(Database.prototype, "read");
  const store = sqliteJobStore(db, () => 1);
  await store.listDead(undefined, 10);
  await store.listDead({ createdAt: 1, id: "a" }, 10);
  await queue.listDeadLetters("5", 10);
  await sqliteSessionStore(db).listByAccount("a", 1);
  const calls = read.mock.calls.map(([sql, ...params], nth) => ({ db: read.mock.contexts[nth], sql, params }));
  read.mockRestore();
  expect(calls).toHaveLength(4);
  for (const { db, sql, params } of calls) {
    const plan = (db as Database).read(`EXPLAIN QUERY PLAN ${sql}`, ...params).map(({ detail }) => String(detail));
    expect(plan).toEqual([
      expect.stringMatching(/USING INDEX (jobs_dead|messages_dead_by_number|sessions_by_account_and_age)\b/),
    ]);
  }
});

test("a list of jobs in several states reads no more of them than it gives", async () => {
  const { db } = await openDatabase();
  const store = sqliteJobStore(db, () => 1);
  const job = sampleJob();
  const states = ["SUCCEEDED", "FAILED", "CANCELLED"] as const;
  const jobs = Array.from({ length: 30 }, (_, index) =>
    sampleJob({ ownerId: job.ownerId, state: states[index % 3] ?? "FAILED", createdAt: job.createdAt + index }),
  );
  await Promise.all(jobs.map((each) => store.insert(each)));
  const parse = vi.spyOn(JSON, "parse");
  const found = await store.list({ ownerId: job.ownerId, states, after: undefined, limit: 10 });
  const read = parse.mock.calls.length;
  parse.mockRestore();
  expect(found).toStrictEqual(jobs.toReversed().slice(0, 10));
  expect(read).toBe(10);
});

test("an account's many sessions are deleted a hundred at a time, with others' writes in between", async () => {
  const { db } = await openDatabase();
  const store = sqliteSessionStore(db);
  const many = Array.from({ length: 250 }, () => sampleSession({ accountId: "a" }));
  await Promise.all(many.map((session) => store.insert(session)));
  const write = vi.spyOn(Database.prototype, "write");
  expect(await store.deleteByAccount("a")).toHaveLength(250);
  const deleted = await Promise.all(write.mock.results.map(({ value }) => value));
  write.mockRestore();
  expect(deleted.map(({ length }) => length)).toEqual([100, 100, 50]);
});

test("messages to take, and those to bury first, are found by an index each, however many wait", async () => {
  const queue = await (await sqliteQueueHarness()).open();
  const write = vi.spyOn(Database.prototype, "writeAll");
  await queue.send([{ id: "a", body: new Uint8Array(1) }]);
  (await receive(queue).next()).settle(complete);
  const [[statements = []] = [], db] = [write.mock.calls[1], write.mock.contexts[1] as Database];
  write.mockRestore();
  const plans = statements.map(({ sql, params }) =>
    db.read(`EXPLAIN QUERY PLAN ${sql}`, ...params).map(({ detail }) => String(detail)),
  );
  const [bury, take] = ["messages_exhausted", "messages_alive"].map((index) => expect.stringContaining(index));
  expect(plans).toEqual([[bury], expect.arrayContaining([take])]);
  expect(plans.flat().join()).not.toContain("TEMP B-TREE FOR ORDER BY");
});

test("stores tell how many of their writes are not done", async () => {
  const config = { dataDir: scratchDirectory(), mongodb: undefined, keepResultMs: 1 };
  const stores = await openStores(config, recordingLog());
  onTestFinished(() => stores.close());
  const writes = [stores.accounts.insert(sampleAccount()), stores.sessions.insert(sampleSession())];
  expect(stores.pending()).toBe(2);
  await Promise.all(writes);
  expect(stores.pending()).toBe(0);
});

describe("the bell", () => {
  function openBell(path: string): Bell {
    const bell = new Bell(path, (error) => {
      throw error;
    });
    onTestFinished(() => bell.close());
    return bell;
  }

  const heard = (bell: Bell) => new Promise<void>((resolve) => bell.onRing(resolve));

  test("is heard at both ends, and by several listeners", async () => {
    const path = join(scratchDirectory(), "bell");
    const [here, there] = [openBell(path), openBell(path)];
    const all = Promise.all([heard(here), heard(here), heard(there)]);
    here.ring();
    await all;
    const back = heard(here);
    there.ring();
    await back;
  });
});

describe("the embedded queues", () => {
  const open = (dataDir: string) => openQueues({ dataDir, serviceBus: undefined }, Date.now, recordingLog());

  test.skipIf(!existsSync("/dev/full"))("take a message when the disk has no room to ring for it", async () => {
    const log = recordingLog();
    const alarms = { disk: vi.fn(), lock: vi.fn() };
    const paths = { queue: join(scratchDirectory(), "queue.db"), bell: "/dev/full" };
    const queues = await sqliteQueues.openQueues(paths, Date.now, log, alarms);
    onTestFinished(() => queues.close());
    const queue = queues.queue("queue");
    for (const id of ["a", "b"]) await queue.send([{ id, body: Buffer.from("body") }]);
    expect((await receive(queue).next()).message.id).toBe("a");
    expect(log.lines.map(({ message }) => message)).toEqual(["the queue failed; it is tried again"]);
  });

  test("leave it to the alarms to tell that nothing can be written, and go on by themselves", async () => {
    const log = recordingLog();
    const queues = await openQueues({ dataDir: scratchDirectory(), serviceBus: undefined }, Date.now, log);
    onTestFinished(() => queues.close());
    await queues.jobQueue.send([{ id: "a", body: Buffer.from("body") }]);
    const full = vi.spyOn(Database.prototype, "writeAll").mockRejectedValue(new StoreUnavailable());
    const next = receive(queues.jobQueue).next();
    await vi.waitFor(() => expect(full.mock.calls.length).toBeGreaterThan(1), 20_000);
    full.mockRestore();
    expect((await next).message.id).toBe("a");
    expect(log.lines).toEqual([]);
  });

  test("take a send that is under way when they close", async () => {
    const dataDir = scratchDirectory();
    const queues = await open(dataDir);
    const sending = queues.jobQueue.send([{ id: "a", body: Buffer.from("body") }]);
    await Promise.all([sending, queues.close()]);
    const reopened = await open(dataDir);
    onTestFinished(() => reopened.close());
    expect((await receive(reopened.jobQueue).next()).message.id).toBe("a");
  });

  test("say what to do when the bell cannot be opened, and leave nothing open", async () => {
    const dataDir = scratchDirectory();
    mkdirSync(join(dataDir, "queue.bell"));
    const close = vi.spyOn(Database.prototype, "close");
    onTestFinished(() => close.mockRestore());
    await expect(open(dataDir)).rejects.toThrow(/^DARKROOM_DATA_DIR: .*queue.bell cannot be opened: EISDIR/);
    expect(close).toHaveBeenCalledOnce();
  });
});

describe("an SQLite queue", () => {
  test("is apart from another one in the same file", async () => {
    const harness = await sqliteQueueHarness();
    const [jobs, results] = [await harness.openNamed("jobs"), await harness.openNamed("results")];
    const body = Buffer.from("body");
    await jobs.send([{ id: "same", body }]);
    await results.send([
      { id: "same", body },
      { id: "other", body },
    ]);
    const receiver = receive(results, 5);
    await receiver.next();
    await receiver.next();
    const first = receive(jobs, 5);
    await first.next();
    expect(receiver.ids).toEqual(["same", "other"]);
    expect(first.ids).toEqual(["same"]);
  });

  test("tells whoever waits for a message, here and in other processes, and leaves none to the next look", async () => {
    const harness = await sqliteQueueHarness();
    const [queue, other] = [await harness.open(), await harness.open()];
    // Nobody looks by itself.
    vi.useFakeTimers({ toFake: ["setTimeout", "setInterval"] });
    const [receiver, dead] = [receive(queue), receiveDead(other)];
    await other.send(["a", "b"].map((id) => ({ id, body: Buffer.from("body") })));
    (await receiver.next()).settle(complete);
    (await receiver.next()).settle({ kind: "deadLetter", reason: "Bad", description: "" });
    expect((await dead.next()).message.id).toBe("b");
    const [letter] = await other.listDeadLetters(undefined, 1);
    await other.redrive([letter?.number ?? ""]);
    expect((await receiver.next()).message.id).toBe("b");
  });

  test("is looked at four times a second where nothing comes, without a write", async () => {
    const queue = await (await sqliteQueueHarness()).open();
    vi.useFakeTimers({ toFake: ["setTimeout", "setInterval"] });
    const [read, write] = [vi.spyOn(Database.prototype, "read"), vi.spyOn(Database.prototype, "writeAll")];
    receive(queue);
    await vi.advanceTimersByTimeAsync(10_000);
    const [looks, writes] = [read.mock.calls.length, write.mock.calls.length];
    vi.restoreAllMocks();
    expect(looks).toBeGreaterThan(40);
    expect(writes).toBe(0);
  });

  test("does not hide a dead letter that was put back, however long who held it goes on", async () => {
    const harness = await sqliteQueueHarness();
    const queue = await harness.open();
    await queue.send([{ id: "a", body: Buffer.from("body") }]);
    const receiver = receive(queue);
    (await receiver.next()).settle({ kind: "deadLetter", reason: "Bad", description: "" });
    await receiveDead(queue).next();
    await receiver.consumer.stop();
    const [letter] = await queue.listDeadLetters(undefined, 1);
    expect(await queue.redrive([letter?.number ?? ""])).toBe(1);
    await harness.passTime(20_000);
    expect((await receive(queue).next()).message).toMatchObject({ id: "a", deliveryCount: 1 });
  });

  test("renews no lock of a message that was settled", async () => {
    const queue = await (await sqliteQueueHarness()).open();
    const receiver = receive(queue);
    for (const settlement of [complete, { kind: "abandon", delayMs: 60_000 }] as const) {
      await queue.send([{ id: settlement.kind, body: Buffer.from("body") }]);
      const delivery = await receiver.next();
      expect(vi.getTimerCount()).toBe(1);
      delivery.settle(settlement);
    }
    await receiver.consumer.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("takes an id again once its message is gone", async () => {
    const queue = await (await sqliteQueueHarness()).open();
    for (const body of ["first", "second"]) {
      await queue.send([{ id: "same", body: Buffer.from(body) }]);
      const receiver = receive(queue);
      const { message, settle } = await receiver.next();
      expect(message.deliveryCount).toBe(1);
      expect(Buffer.from(message.body).toString()).toBe(body);
      const stopping = receiver.consumer.stop();
      settle(complete);
      await stopping;
    }
  });

  test("goes on after an error, and reports it", async () => {
    const harness = await sqliteQueueHarness();
    const queue = await harness.open();
    const receiver = receive(queue);
    await queue.send([{ id: "a", body: Buffer.from("body") }]);
    (await receiver.next()).fail(new Error("the handler failed"));
    await queue.send([{ id: "b", body: Buffer.from("body") }]);
    expect((await receiver.next()).message.id).toBe("b");
    expect(harness.errors).toEqual([new Error("the handler failed")]);
  });

  test("waits twice as long each time a handler rejects, a minute at most", async () => {
    const harness = await sqliteQueueHarness();
    const queue = await harness.open();
    const file = new DatabaseSync(join(harness.directory, "queue.db"), { readOnly: true });
    onTestFinished(() => file.close());
    const isGivenBack = file.prepare("SELECT 1 FROM messages WHERE id = 'a' AND lock IS NULL");
    const receiver = receive(queue);
    await queue.send([{ id: "a", body: Buffer.from("body") }]);
    for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
      (await receiver.next()).fail(new Error("the handler failed"));
      await vi.waitUntil(() => isGivenBack.get() !== undefined, { timeout: 10_000 });
      await harness.passTime(seconds * 1000 - 1);
      await queue.send([{ id: "meanwhile", body: Buffer.from("body") }]);
      const { message, settle } = await receiver.next();
      expect(message.id).toBe("meanwhile");
      settle(complete);
      await harness.passTime(1);
    }
    expect((await receiver.next()).message).toMatchObject({ id: "a", deliveryCount: 9 });
  });
});

/** What becomes of a promise that might never settle; its own turn of the event loop is enough for it. */
async function settledSoon(promise: Promise<unknown>): Promise<string> {
  const settled = Promise.allSettled([promise]).then(([result]) => result.status);
  const turns = (async () => {
    for (let count = 0; count < 100; count += 1) await new Promise((resolve) => setImmediate(resolve));
    return "pending";
  })();
  return Promise.race([settled, turns]);
}
