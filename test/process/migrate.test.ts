import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test, vi } from "vitest";
import { openStores, type Stores } from "../../src/app/backends.ts";
import { bearer, type Darkroom, State } from "../../src/client/index.ts";
import { readServerConfig } from "../../src/config/config.ts";
import { tables } from "../../src/migration/copy.ts";
import { atOnce, sampleAccount, sampleImage, sampleJob } from "../contracts/samples.ts";
import { recordingLog } from "../support/log.ts";
import { describeOnMongodb, type TestMongodb } from "../support/mongodb.ts";
import { run } from "../support/process.ts";
import { proxyTo } from "../support/proxy.ts";
import { drain } from "../support/refusals.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { serve, signIn, signInAdmin, submitJob } from "../support/server.ts";

const wait = { seconds: 60n };
/** Two chunks of GridFS. */
const pictureBytes = 300_000;

const target = ({ uri, newDatabase }: TestMongodb) => ({ MONGODB_URI: uri, MONGODB_DATABASE: newDatabase() });

function migrate(dataDir: string, env: Readonly<Record<string, string>>, ...args: string[]) {
  return run(["migrate", ...args], { DARKROOM_DATA_DIR: dataDir, LOG_LEVEL: "error", ...env });
}

/** The same stores as a server with these settings has. */
function open(env: Readonly<Record<string, string>>): Promise<Stores> {
  return openStores(readServerConfig(env), recordingLog());
}

/** A data directory whose server has stopped and made no more than its administrator. */
async function rested(): Promise<string> {
  const server = await serve({}, { worker: false });
  await server.app.stop();
  return server.dataDir;
}

async function pictureOf({ jobs }: Darkroom, imageId: string, credential: ReturnType<typeof bearer>) {
  const pieces = await drain(jobs.getImage({ imageId }, credential));
  return Buffer.concat(pieces.map(({ data }) => data));
}

/** Accounts, jobs and pictures that are too many to be copied in one moment. */
async function fill(dataDir: string) {
  const stores = await open({ DARKROOM_DATA_DIR: dataDir });
  const accounts = await atOnce(50, async () => sampleAccount());
  for (const account of accounts) await stores.accounts.insert(account);
  const pictures = Array.from({ length: 16 }, () => ({ image: sampleImage(), bytes: randomBytes(pictureBytes) }));
  for (const { image, bytes } of pictures) {
    await stores.images.insert(image);
    await stores.blobs.write(image.id, pieces(bytes));
  }
  const jobs = await atOnce(100, async () => sampleJob());
  for (const job of jobs) await stores.jobs.insert(job);
  await stores.close();
  return { accounts, pictures, jobs };
}

async function* pieces(bytes: Uint8Array) {
  yield bytes;
}

describeOnMongodb("darkroom migrate", (mongodb) => {
  test("lets a server on MongoDB go on where the embedded one stopped", async () => {
    const first = await serve();
    const { dataDir } = first;
    const { credential, refreshToken, username, password } = await signIn(first);
    const { credential: admin } = await signInAdmin(first);
    const { apiKey } = await first.auth.createClient({ client: { name: "a", scopes: ["auth:check"] } }, admin);
    const { jobId: doneId } = await submitJob(first, credential);
    const { job: done } = await first.jobs.pollImageJob({ jobId: doneId, wait }, credential);
    const developed = done?.outputImageIds[0] ?? "";
    const picture = await pictureOf(first, developed, credential);
    await first.app.stop();
    const second = await serve({}, { worker: false, dataDir });
    const { jobId: waitingId } = await submitJob(second, credential);
    const version = async () => (await second.jobs.pollImageJob({ jobId: waitingId }, credential)).job?.version;
    await vi.waitFor(async () => expect(await version()).toBe(2n), { timeout: 20_000 });
    const headers = credential.headers as Record<string, string>;
    const form = new FormData();
    form.set("uploadFile", new Blob(["notes"]), "notes.txt");
    const uploaded = await fetch(`${second.url}/upload`, { method: "POST", headers, body: form });
    const usage = await second.jobs.getUsage({}, credential);
    await second.app.stop();

    const env = target(mongodb);
    const { code, stdout, stderr } = await migrate(dataDir, env).finished;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^jobs +2 +2 +0$/m);

    // As if it had been killed between the two writes of a picture.
    await mongodb.client.db(env.MONGODB_DATABASE).collection<{ _id: string }>("images").deleteOne({ _id: developed });
    const again = await migrate(dataDir, env).finished;
    const [, ...rows] = again.stdout.split("\n\n", 1)[0]?.split("\n") ?? [];
    expect(rows).toHaveLength(tables.length);
    expect(rows.filter((row) => !/^\w+ +([1-9]\d*) +0 +\1$/.test(row))).toEqual([
      expect.stringMatching(/^images +3 +1 +2$/),
    ]);

    // As on another broker: its queue has nothing of what was sent.
    const third = await serve(env);
    const { job } = await third.jobs.pollImageJob({ jobId: waitingId, wait }, credential);
    expect(job).toMatchObject({ state: State.SUCCEEDED, attempt: 1 });
    expect((await third.jobs.pollImageJob({ jobId: doneId }, credential)).job).toEqual(done);
    expect(await pictureOf(third, developed, credential)).toEqual(picture);
    const file = await fetch(third.url + uploaded.headers.get("location"), { headers });
    expect(await file.text()).toBe("notes");
    expect(await third.jobs.getUsage({}, credential)).toEqual(usage);
    expect((await third.auth.refreshToken({ refreshToken })).tokens?.accessToken).toBeTruthy();
    expect((await third.auth.login({ identity: username, password })).account?.username).toBe(username);
    expect((await third.auth.checkAuth({}, bearer(apiKey))).principal?.client?.name).toBe("a");
    expect((await third.auth.checkAuth({}, admin)).principal?.account?.username).toBe("admin");
  });

  test("goes on after it was killed in the middle", { timeout: 180_000 }, async () => {
    const dataDir = await rested();
    const { accounts, pictures, jobs } = await fill(dataDir);
    const env = target(mongodb);
    const images = mongodb.client.db(env.MONGODB_DATABASE).collection("images");
    const killed = migrate(dataDir, env);
    await vi.waitFor(async () => expect(await images.countDocuments()).toBeGreaterThan(3), {
      timeout: 30_000,
      interval: 5,
    });
    killed.child.kill("SIGKILL");
    await killed.finished;
    expect(await images.countDocuments()).toBeLessThan(pictures.length);

    const again = await migrate(dataDir, env).finished;
    expect(again).toMatchObject({ code: 0, stderr: "" });
    const [, copied, there] = /^images +16 +(\d+) +(\d+)$/m.exec(again.stdout) ?? [];
    expect(Number(there)).toBeGreaterThan(3);
    expect(Number(copied) + Number(there)).toBe(16);
    const stores = await open(env);
    for (const account of accounts) expect(await stores.accounts.get(account.id)).toStrictEqual(account);
    const copies = new Map((await stores.jobs.getMany(jobs.map(({ id }) => id))).map((job) => [job.id, job]));
    for (const job of jobs) expect(copies.get(job.id)).toStrictEqual({ ...job, dispatchAt: job.queuedAt });
    for (const { image, bytes } of pictures) {
      expect(await stores.images.get(image.id)).toStrictEqual(image);
      const stored = await drain((await stores.blobs.read(image.id)) ?? pieces(Buffer.alloc(0)));
      expect(Buffer.concat(stored).equals(bytes)).toBe(true);
    }
    await stores.close();
    expect((await migrate(dataDir, env).finished).stdout).toMatch(/^images +16 +0 +16$/m);
  });

  test("copies nothing in a dry run, and tells what it would", async () => {
    const dataDir = await rested();
    const env = target(mongodb);
    const { code, stdout } = await migrate(dataDir, env, "--dry-run").finished;
    expect(code).toBe(0);
    expect(stdout).toMatch(/^accounts +1 +1 +0$/m);
    const database = mongodb.client.db(env.MONGODB_DATABASE);
    for (const table of tables) expect(await database.collection(table).countDocuments()).toBe(0);
    await migrate(dataDir, env).finished;
    expect((await migrate(dataDir, env, "--dry-run").finished).stdout).toMatch(/^accounts +1 +0 +1$/m);
  });

  test("refuses a database that has something else, and leaves it as it is", async () => {
    const [dataDir, env] = [await rested(), target(mongodb)];
    const other = await serve(env, { worker: false });
    const { credential } = await signIn(other);
    for (const options of [["--dry-run"], []]) {
      const { code, stdout, stderr } = await migrate(dataDir, env, ...options).finished;
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(/^darkroom: MONGODB_DATABASE: there are records of another installation: name another/);
    }
    expect((await other.auth.checkAuth({}, credential)).principal).toBeDefined();
  });

  test("overwrites nothing of a database that was used since", async () => {
    const [dataDir, env] = [await rested(), target(mongodb)];
    expect((await migrate(dataDir, env).finished).code).toBe(0);
    const server = await serve(env, { worker: false });
    const { credential } = await signIn(server);
    const { code, stderr } = await migrate(dataDir, env).finished;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^darkroom: MONGODB_DATABASE: there are accounts that the data directory has not/);
    expect((await server.auth.checkAuth({}, credential)).principal).toBeDefined();
  });

  test("overwrites no record and no key that is another there", async () => {
    const [dataDir, env] = [await rested(), target(mongodb)];
    expect((await migrate(dataDir, env).finished).code).toBe(0);
    const database = mongodb.client.db(env.MONGODB_DATABASE);
    const refusal = async () => (await migrate(dataDir, env).finished).stderr;
    await database.collection("accounts").updateMany({}, { $set: { disabled: true } });
    expect(await refusal()).toMatch(
      /^darkroom: MONGODB_DATABASE: there are other contents of \S+ than in the data dir/,
    );
    expect(await database.collection("accounts").countDocuments({ disabled: true })).toBe(1);
    await database.collection("secrets").updateOne({}, { $set: { value: "another" } });
    expect(await refusal()).toMatch(/^darkroom: MONGODB_DATABASE: there are other keys \(\S+\) than in the data dir/);
    expect(await database.collection("secrets").countDocuments({ value: "another" })).toBe(1);
  });

  test.each([
    ["as it looks whose it is", "count", "secrets", 1],
    ["as it counts the keys", "count", "secrets", 2],
    ["in the middle of it", "insert", "accounts", 1],
  ])("goes on when its database went away %s and is back", async (_, command, collection, times) => {
    // As BSON: a text has its length before it, with a zero behind it.
    const length = String.fromCharCode(collection.length + 1);
    const sent = `\x02${command}\0${length}\0\0\0${collection}\0`;
    const [dataDir, env] = [await rested(), target(mongodb)];
    let [seen, wasAway] = [0, false];
    const proxy = await proxyTo(mongodb.uri, (bytes) => {
      if (wasAway || !bytes.includes(sent)) return;
      seen += 1;
      if (seen < times) return;
      wasAway = true;
      proxy.away = true;
      proxy.cut();
    });
    const migration = migrate(dataDir, { ...env, MONGODB_URI: `mongodb://${new URL(proxy.url).host}` });
    // A call has failed by then, whatever the driver tried.
    await vi.waitFor(() => expect(migration.output.stderr).toContain("the database cannot be reached"), 30_000);
    proxy.away = false;
    expect(await migration.finished).toMatchObject({ code: 0, stdout: expect.stringMatching(/^accounts +1 +1 +0$/m) });
  });

  test("brings nothing back that was ended in the data directory since", async () => {
    const env = target(mongodb);
    const first = await serve({}, { worker: false });
    const { dataDir } = first;
    const { credential } = await signIn(first);
    await first.app.stop();
    expect((await migrate(dataDir, env).finished).code).toBe(0);
    const second = await serve({}, { worker: false, dataDir });
    await second.auth.logout({}, credential);
    await second.app.stop();
    const { code, stderr } = await migrate(dataDir, env).finished;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^darkroom: MONGODB_DATABASE: there are sessions that the data directory has not/);
  });

  test("refuses a data directory that a server has open, and leaves the server at it", async () => {
    const server = await serve({}, { worker: false });
    const { code, stderr } = await migrate(server.dataDir, target(mongodb)).finished;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^darkroom: DARKROOM_DATA_DIR: .*darkroom\.db is in use: stop the server/);
    const { credential } = await signIn(server);
    expect((await server.auth.checkAuth({}, credential)).principal).toBeDefined();
  });
});

test("darkroom migrate says what it lacks", async () => {
  const dataDir = await rested();
  const env = { MONGODB_URI: "mongodb://127.0.0.1:1" };
  const nowhere = await migrate(dataDir, {}).finished;
  expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringMatching(/^darkroom: MONGODB_URI: must be/) });
  const nothing = await migrate(scratchDirectory(), env).finished;
  expect(nothing).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^darkroom: DARKROOM_DATA_DIR: .* is not there/),
  });
  const db = new DatabaseSync(join(dataDir, "darkroom.db"));
  db.exec("PRAGMA user_version = 1");
  db.close();
  const older = await migrate(dataDir, env).finished;
  expect(older).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/ is of an older version: start `darkroom serve`/),
  });
});
