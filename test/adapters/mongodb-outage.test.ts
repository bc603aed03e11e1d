import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import type { MongoClient } from "mongodb";
import { expect, onTestFinished, test, vi } from "vitest";
import { createClient } from "../../src/adapters/mongodb/client.ts";
import { Database } from "../../src/adapters/mongodb/database.ts";
import { mongodbJobStore } from "../../src/adapters/mongodb/job-store.ts";
import { atOnce, sampleJob } from "../contracts/samples.ts";
import { describeOnFerretdb } from "../support/ferretdb.ts";
import { recordingLog } from "../support/log.ts";
import { proxyTo } from "../support/proxy.ts";
import { openDatabase } from "./mongodb-harness.ts";

const unavailable = {
  status: "rejected",
  reason: { name: "StoreUnavailable", code: "unavailable", reason: "DATABASE_UNAVAILABLE", retryAfterMs: 1000 },
};

describeOnFerretdb("while its database is away", (ferretdb) => {
  const outages = {
    dead: { leave: ferretdb.kill, comeBack: ferretdb.start },
    silent: { leave: async () => ferretdb.pause(), comeBack: async () => ferretdb.resume() },
  };

  async function open() {
    onTestFinished(() => {
      ferretdb.resume();
      return ferretdb.start();
    });
    const log = recordingLog();
    const store = mongodbJobStore(await openDatabase(ferretdb, "darkroom", { log }), () => 0);
    const job = sampleJob();
    await store.insert(job);
    const said = (level: string) => log.lines.filter((line) => line.level === level).map(({ message }) => message);
    const isBack = () => vi.waitUntil(() => store.get(job.id).catch(() => undefined), { timeout: 30_000 });
    return { store, job, said, isBack };
  }

  test.each(["dead", "silent"] as const)("%s, calls are refused in time, and go on when it is back", async (how) => {
    const { store, job, said, isBack } = await open();
    const calls = [
      () => store.get(job.id),
      () => store.insert(sampleJob()),
      () => store.replace({ ...job, version: 2 }),
      () => store.list({ ownerId: "owner", states: ["QUEUED", "RUNNING"], after: undefined, limit: 1 }),
      () => store.due(0, 1),
    ];
    await outages[how].leave();
    for (let round = 0; round < 3; round += 1) {
      const all = Promise.allSettled(Array.from({ length: 100 }, (_, nth) => calls[nth % calls.length]?.()));
      // They take 3 s at most; the rest is for a slow machine.
      const settled = await Promise.race([all, delay(8_000, [])]);
      expect(settled).toHaveLength(100);
      for (const result of settled) expect(result).toMatchObject(unavailable);
    }
    await outages[how].comeBack();
    await isBack();
    await Promise.all([store.due(0, 1), store.insert(sampleJob()), store.get("nothing")]);
    expect(said("error")).toEqual(["the database cannot be reached; calls are refused until it answers"]);
    expect(said("info").slice(1)).toEqual(["the database answers again"]);
  });

  test("one call tries, and no other waits with it", async () => {
    const { store, job, isBack } = await open();
    ferretdb.pause();
    await store.get(job.id).catch(() => {});
    let isTrying = true;
    const trying = store.get(job.id).catch(() => {
      isTrying = false;
    });
    const refused = await atOnce(100, () => store.get(job.id).catch((error: unknown) => error));
    for (const reason of refused) expect(reason).toMatchObject(unavailable.reason);
    expect(isTrying).toBe(true);
    await trying;
    ferretdb.resume();
    await isBack();
  });

  test("a write that was given up may be done later, and is known by its operation", async () => {
    const { store, job } = await open();
    ferretdb.pause();
    const written = { ...job, version: 2, operation: "ours" };
    const [given] = await Promise.allSettled([store.replace(written)]);
    expect(given).toMatchObject(unavailable);
    ferretdb.resume();
    const stored = () => store.get(job.id).catch(() => undefined);
    await vi.waitUntil(async () => (await stored())?.version === 2, { timeout: 30_000 });
    expect(await store.replace(written)).toBe(false);
    expect(await stored()).toStrictEqual(written);
  });

  test("a database that is to be opened is waited for", async () => {
    await ferretdb.kill();
    const log = recordingLog();
    const client = createClient(ferretdb.uri);
    const opening = Database.open(() => client, "later", log);
    await vi.waitUntil(() => log.lines.length > 0, { timeout: 30_000 });
    expect(log.lines).toMatchObject([{ level: "warn", message: "the database cannot be reached; waiting for it" }]);
    await ferretdb.start();
    const database = await opening;
    const store = mongodbJobStore(database, () => 0);
    const job = sampleJob();
    await store.insert(job);
    expect(await store.get(job.id)).toStrictEqual(job);
    await database.close();
  });

  test("a client that finds its server no more is replaced by one that does, and no other stays open", async () => {
    const log = recordingLog();
    const first = await proxyTo(ferretdb.uri);
    const clients: MongoClient[] = [];
    const connect = () => {
      const isAway = clients.length < 2;
      const client = createClient(isAway ? first.url.replace(/^http/, "mongodb") : ferretdb.uri);
      vi.spyOn(client, "close");
      clients.push(client);
      return client;
    };
    const database = await Database.open(connect, "darkroom", log, 1000);
    const store = mongodbJobStore(database, () => 0);
    const job = sampleJob();
    await store.insert(job);
    first.away = true;
    first.cut();
    await expect(store.get(job.id)).rejects.toMatchObject(unavailable.reason);
    const found = await vi.waitUntil(() => store.get(job.id).catch(() => undefined), { timeout: 30_000 });
    expect(found).toStrictEqual(job);
    expect(log.lines.filter(({ level }) => level === "warn").map(({ message }) => message)).toEqual([
      "the database answers a new client, which takes the place of the one before",
    ]);
    // One that finds no server tries for two seconds.
    const areClosed = () => clients.slice(0, -1).every(({ close }) => vi.mocked(close).mock.calls.length > 0);
    await vi.waitUntil(areClosed, { timeout: 30_000 });
    await database.close();
  });

  test("closing it ends all the same, and a call that is under way says nothing of the database", async () => {
    const log = recordingLog();
    const client = createClient(ferretdb.uri, { monitorCommands: true });
    const database = await Database.open(() => client, "darkroom", log);
    ferretdb.pause();
    const call = Promise.allSettled([mongodbJobStore(database, () => 0).get("nothing")]);
    await once(client, "commandStarted");
    const closed = database.close().then(() => "closed");
    expect(await Promise.race([closed, delay(8_000, "still open")])).toBe("closed");
    expect(await call).toMatchObject([unavailable]);
    expect(log.lines.filter(({ level }) => level === "error")).toEqual([]);
    ferretdb.resume();
  });

  test("calls that wait for a connection when it is closed are refused like any other then", async () => {
    const client = createClient(ferretdb.uri, { monitorCommands: true, maxPoolSize: 1 });
    const database = await Database.open(() => client, "darkroom", recordingLog());
    const store = mongodbJobStore(database, () => 0);
    const calls = Promise.allSettled(Array.from({ length: 100 }, () => store.get("nothing")));
    await once(client, "commandStarted");
    await database.close();
    const refused = (await calls).filter(({ status }) => status === "rejected");
    expect(refused.length).toBeGreaterThan(0);
    for (const call of refused) expect(call).toMatchObject(unavailable);
  });
});
