import { randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { type Document, GridFSBucket } from "mongodb";
import { describe, expect, test } from "vitest";
import { mongodbAccountStore } from "../../src/adapters/mongodb/account-store.ts";
import { mongodbBlobStore } from "../../src/adapters/mongodb/blob-store.ts";
import { createClient } from "../../src/adapters/mongodb/client.ts";
import { mongodbClientStore } from "../../src/adapters/mongodb/client-store.ts";
import { collections } from "../../src/adapters/mongodb/collections.ts";
import { mongodbImageStore } from "../../src/adapters/mongodb/image-store.ts";
import { mongodbJobStore } from "../../src/adapters/mongodb/job-store.ts";
import { mongodbSecretStore } from "../../src/adapters/mongodb/secret-store.ts";
import { mongodbSessionStore } from "../../src/adapters/mongodb/session-store.ts";
import { sessionEnd } from "../../src/model/session.ts";
import { DuplicateKey } from "../../src/ports/store-errors.ts";
import {
  atOnce,
  sampleAccount,
  sampleClient,
  sampleImage,
  sampleJob,
  sampleSession,
  sampleTime,
} from "../contracts/samples.ts";
import { recordingLog } from "../support/log.ts";
import { describeOnMongodb } from "../support/mongodb.ts";
import { openDatabase } from "./mongodb-harness.ts";

const day = 24 * 60 * 60 * 1000;

describeOnMongodb("a MongoDB database", (mongodb) => {
  test("is prepared by many processes that start at once", async () => {
    const name = mongodb.newDatabase();
    const databases = await atOnce(6, () => openDatabase(mongodb, name));
    const accounts = databases.map(mongodbAccountStore);
    const settled = await Promise.allSettled(
      accounts.map((store) => store.insert(sampleAccount({ usernameKey: "one" }))),
    );
    expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const [collection, indexes] of Object.entries(collections)) {
      if (indexes.length === 0) continue;
      const made = await mongodb.client.db(name).collection(collection).indexes();
      const wanted = indexes.filter((index) => !("expireAfterSeconds" in index)).map((index) => index.name);
      expect(made.map((index) => index.name)).toEqual(expect.arrayContaining(wanted));
    }
  });

  test("deletes an account's many sessions by a few short calls", async () => {
    const commands: Document[] = [];
    const onCommand = (command: Document) => void commands.push(command);
    const store = mongodbSessionStore(await openDatabase(mongodb, mongodb.newDatabase(), { onCommand }));
    for (let made = 0; made < 250; made += 50)
      await atOnce(50, () => store.insert(sampleSession({ accountId: "mine" })));
    commands.splice(0);
    expect(await store.deleteByAccount("mine")).toHaveLength(250);
    const finds = commands.filter(({ find }) => find);
    expect(finds.map(({ limit, projection }) => [limit, projection])).toEqual(Array(4).fill([100, { _id: 1 }]));
    expect(commands.length - finds.length).toBe(3);
  });

  test("reads what a version before wrote, and has what that did not know of", async () => {
    const name = mongodb.newDatabase();
    const db = await openDatabase(mongodb, name);
    const stores = {
      accounts: mongodbAccountStore(db),
      clients: mongodbClientStore(db),
      sessions: mongodbSessionStore(db),
    };
    const [account, client, session] = [sampleAccount(), sampleClient(), sampleSession()];
    const later = {
      accounts: ["passwordReset", "emailChange", "metadata", "deletedAt"],
      clients: ["limitPerMinute"],
      sessions: ["surface", "epoch"],
    };
    await stores.accounts.insert(account);
    await stores.clients.insert(client);
    await stores.sessions.insert(session);
    for (const [collection, fields] of Object.entries(later))
      await mongodb.client
        .db(name)
        .collection(collection)
        .updateMany({}, { $unset: Object.fromEntries(fields.map((field) => [field, ""])) });
    expect(await stores.accounts.get(account.id)).toStrictEqual(account);
    expect(await stores.accounts.findByEmail(account.emailKey)).toStrictEqual(account);
    expect(await stores.clients.list(undefined, 9)).toStrictEqual([client]);
    expect(await stores.sessions.get(session.id)).toStrictEqual(session);
  });

  test("lets the server purge what has ended, or says once that it does not", async () => {
    const name = mongodb.newDatabase();
    const log = recordingLog();
    await openDatabase(mongodb, name, { log });
    await openDatabase(mongodb, name);
    const indexes = await mongodb.client.db(name).collection("sessions").indexes();
    const isPurged = indexes.some(({ expireAfterSeconds }) => expireAfterSeconds === 0);
    const said = log.lines.filter(({ message }) => message.includes("deletes nothing by itself"));
    expect(said).toHaveLength(isPurged ? 0 : 1);
  });

  test("dates for the server what has ended, and nothing else, a day after its end", async () => {
    const name = mongodb.newDatabase();
    const db = await openDatabase(mongodb, name);
    const jobs = mongodbJobStore(db, (job) => (job.endedAt ?? 0) + 1000);
    const [session, running, ended] = [
      sampleSession(),
      sampleJob(),
      sampleJob({ state: "FAILED", endedAt: sampleTime }),
    ];
    await mongodbSessionStore(db).insert(session);
    await mongodbImageStore(db).insert(sampleImage({ expiresAt: 0 }));
    await jobs.insert(running);
    await jobs.insert(ended);
    const purged = async (collection: string, id: string) =>
      (await mongodb.client.db(name).collection<Document & { _id: string }>(collection).findOne({ _id: id }))?.purgeAt;
    expect(await purged("sessions", session.id)).toEqual(new Date(sessionEnd(session) + day));
    expect(await purged("jobs", running.id)).toBeUndefined();
    expect(await purged("jobs", ended.id)).toEqual(new Date(sampleTime + 1000 + day));
    await jobs.replace({ ...ended, state: "QUEUED", endedAt: null, version: 2 });
    expect(await purged("jobs", ended.id)).toBeUndefined();
    // A picture's record must be there until its bytes are gone.
    expect(collections.images.some((index) => "expireAfterSeconds" in index)).toBe(false);
    expect(
      await mongodb.client
        .db(name)
        .collection("images")
        .findOne({ purgeAt: { $exists: true } }),
    ).toBeNull();
  });

  test("takes no value for an operator, whatever comes in its place", async () => {
    const db = await openDatabase(mongodb, mongodb.newDatabase());
    const [account, session, job, image] = [
      sampleAccount({ role: "admin" }),
      sampleSession(),
      sampleJob(),
      sampleImage(),
    ];
    const stores = [mongodbAccountStore(db), mongodbSessionStore(db), mongodbImageStore(db)] as const;
    const [accounts, sessions, images] = stores;
    const jobs = mongodbJobStore(db, () => 0);
    await Promise.all([accounts.insert(account), sessions.insert(session), jobs.insert(job), images.insert(image)]);
    for (const operator of [{ $ne: null }, { $gt: "" }, { $exists: true }, { $regex: "" }, { $in: [account.id] }]) {
      const value = operator as unknown as string;
      for (const store of [...stores, jobs]) expect(await store.get(value)).toBeUndefined();
      expect(await accounts.findByUsername(value)).toBeUndefined();
      expect(await accounts.findByEmail(value)).toBeUndefined();
      expect(await jobs.findByRequestKey(value)).toBeUndefined();
      expect(await jobs.getMany([value]).catch(() => [])).toEqual([]);
      expect(await jobs.list({ ownerId: value, states: [], after: undefined, limit: 9 })).toEqual([]);
      expect(await jobs.delete(value, 1)).toBe(false);
      expect(await images.keepUntil(value, 1, 0)).toBe(false);
      await sessions.delete(value);
      await images.delete(value);
    }
    expect(await sessions.get(session.id)).toStrictEqual(session);
    expect(await images.get(image.id)).toStrictEqual(image);
  });

  test("tells of a taken key without telling what was stored", async () => {
    const store = mongodbAccountStore(await openDatabase(mongodb, mongodb.newDatabase()));
    const account = sampleAccount({ passwordHash: "the hash" });
    await store.insert(account);
    const error: Error = await store.insert(account).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(DuplicateKey);
    expect(JSON.stringify({ ...error, message: error.message, cause: error.cause })).not.toMatch(/hash|user-|example/);
  });

  test("keeps a record's fields as they are called, its id once", async () => {
    const name = mongodb.newDatabase();
    const session = sampleSession();
    await mongodbSessionStore(await openDatabase(mongodb, name)).insert(session);
    const stored = await mongodb.client.db(name).collection("sessions").findOne();
    const { id, ...fields } = session;
    expect(stored).toEqual({ _id: id, ...fields, endsAt: sessionEnd(session), purgeAt: expect.any(Date) });
  });

  test("has one secret for all who ask at once, from many connections", async () => {
    const db = await openDatabase(mongodb, mongodb.newDatabase());
    const store = mongodbSecretStore(db);
    const got = await atOnce(16, (index) => store.getOrCreate("key", `candidate ${index}`));
    expect(new Set(got).size).toBe(1);
  });
});

describeOnMongodb("a MongoDB database's URI", (mongodb) => {
  test("makes no write less durable, and no read less certain", async () => {
    const commands: Document[] = [];
    const lax = "w=1&journal=false&readConcernLevel=local&readPreference=secondary";
    const uri = mongodb.uri + (mongodb.uri.includes("?") ? "&" : "?") + lax;
    const onCommand = (command: Document) => void commands.push(command);
    const db = await openDatabase({ uri }, mongodb.newDatabase(), { onCommand });
    const [sessions, images] = [mongodbSessionStore(db), mongodbImageStore(db)];
    commands.splice(0);
    const [session, image] = [sampleSession(), sampleImage()];
    await sessions.insert(session);
    await sessions.replace({ ...session, version: 2 });
    await sessions.deleteEnded(Number.MAX_SAFE_INTEGER, 1);
    await images.insert(image);
    await images.keepUntil(image.id, image.expiresAt + 1, 0);
    await images.delete(image.id);
    await mongodbSecretStore(db).getOrCreate("key", "value");
    const [reads, writes] = [commands.filter((command) => command.find), commands.filter((command) => !command.find)];
    expect([reads.length, writes.length]).toEqual([1, 7]);
    for (const { readConcern, $readPreference } of reads) {
      expect(readConcern).toMatchObject({ level: "majority" });
      expect($readPreference?.mode ?? "primary").toMatch(/^primary/);
    }
    for (const { writeConcern } of writes) expect(writeConcern).toMatchObject({ w: "majority", j: true });
  });
});

describeOnMongodb("blobs in GridFS", (mongodb) => {
  async function open() {
    const name = mongodb.newDatabase();
    const store = mongodbBlobStore(await openDatabase(mongodb, name));
    const raw = mongodb.client.db(name);
    const count = async () => [
      await raw.collection("fs.files").countDocuments(),
      await raw.collection("fs.chunks").countDocuments(),
    ];
    return { store, raw, count, bucket: new GridFSBucket(raw) };
  }

  async function* pieces(...all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
    yield* all;
  }

  test.each([0, 1, 255 * 1024, 255 * 1024 + 1, 700_000])(
    "of %i bytes are read by the driver's own bucket",
    async (length) => {
      const { store, bucket } = await open();
      const bytes = randomBytes(length);
      await store.write("blob", pieces(bytes.subarray(0, 100_000), bytes.subarray(100_000)));
      expect(await buffer(bucket.openDownloadStream("blob" as never))).toEqual(bytes);
      expect(await bucket.find({ _id: "blob" as never }).toArray()).toMatchObject([{ length, chunkSize: 255 * 1024 }]);
    },
  );

  test("are read when the driver's own bucket wrote them, in chunks of any size", async () => {
    const { store, bucket } = await open();
    const bytes = randomBytes(500_000);
    await pipeline([bytes], bucket.openUploadStreamWithId("blob" as never, "name", { chunkSizeBytes: 77_777 }));
    expect(await buffer((await store.read("blob")) ?? pieces())).toEqual(bytes);
    await store.delete("blob");
    expect(await store.read("blob")).toBeUndefined();
  });

  test("leave nothing behind, of a failed write or of a deleted blob", async () => {
    const { store, count } = await open();
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield randomBytes(300_000);
      expect(await count()).toEqual([0, 1]);
      yield randomBytes(300_000);
      throw new Error("the source failed");
    }
    await expect(store.write("blob", failing())).rejects.toThrow("the source failed");
    expect(await count()).toEqual([0, 0]);
    await store.write("blob", pieces(randomBytes(600_000)));
    expect(await count()).toEqual([1, 3]);
    await store.delete("blob");
    expect(await count()).toEqual([0, 0]);
  });

  test("are not seen, and are deleted, when a process died while it wrote them", async () => {
    const { store, count } = await open();
    const started = Promise.withResolvers<void>();
    async function* hanging(): AsyncGenerator<Uint8Array> {
      yield randomBytes(300_000);
      started.resolve();
      await new Promise(() => {});
    }
    void store.write("blob", hanging());
    await started.promise;
    expect(await count()).toEqual([0, 1]);
    expect(await store.read("blob")).toBeUndefined();
    await store.delete("blob");
    expect(await count()).toEqual([0, 0]);
  });

  test("break off where a chunk is missing", async () => {
    const { store, raw } = await open();
    await store.write("blob", pieces(randomBytes(600_000)));
    await raw.collection("fs.chunks").deleteOne({ n: 1 });
    await expect(buffer((await store.read("blob")) ?? pieces())).rejects.toThrow(/chunk 1 .*missing/);
  });
});

describe("a MongoDB client", () => {
  test("takes from its URI what an operator may tune, and has limits for the rest", () => {
    expect(createClient("mongodb://h/").options).toMatchObject({
      maxPoolSize: 50,
      waitQueueTimeoutMS: 2000,
      retryWrites: true,
    });
    const tuned = createClient("mongodb://h/?maxPoolSize=7&RETRYWRITES=false&maxidletimems=9").options;
    expect(tuned).toMatchObject({
      maxPoolSize: 7,
      maxIdleTimeMS: 9,
      retryWrites: false,
      serverSelectionTimeoutMS: 2000,
    });
  });
});
