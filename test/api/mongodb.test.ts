import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { bearer, type Darkroom, reasonOf, State } from "../../src/client/index.ts";
import { atOnce } from "../contracts/samples.ts";
import { describeOnFerretdb } from "../support/ferretdb.ts";
import { recordingLog } from "../support/log.ts";
import { describeOnMongodb, type TestMongodb } from "../support/mongodb.ts";
import { smallPicture } from "../support/pictures.ts";
import { run } from "../support/process.ts";
import { drain, refusal } from "../support/refusals.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { serve, signIn, submitJob, type TestServer } from "../support/server.ts";
import { openWorkerQueues } from "../support/worker-queues.ts";

const wait = { seconds: 60n };
const unavailable = { code: "Unavailable", reason: "DATABASE_UNAVAILABLE" };

describeOnMongodb("a server on MongoDB", (mongodb) => {
  const env = ({ uri, newDatabase }: TestMongodb) => ({ MONGODB_URI: uri, MONGODB_DATABASE: newDatabase() });

  test("serves from sign-up to the developed picture", async () => {
    const server = await serve(env(mongodb));
    const { credential, refreshToken, username, password, token } = await signIn(server);
    const { imageId, jobId } = await submitJob(server, credential);
    const { job } = await server.jobs.pollImageJob({ jobId, wait }, credential);
    expect(job).toMatchObject({ state: State.SUCCEEDED, attempt: 1 });
    const developed = job?.outputImageIds[0] ?? "";
    const pieces = await drain(server.jobs.getImage({ imageId: developed }, credential));
    const bytes = Buffer.concat(pieces.map(({ data }) => data));
    const headers = { authorization: `Bearer ${token}` };
    const downloaded = await fetch(`${server.url}/download/${developed}`, { headers });
    expect(Buffer.from(await downloaded.arrayBuffer())).toEqual(bytes);
    const { jobs } = await server.jobs.listImageJobs({ states: [State.SUCCEEDED] }, credential);
    expect(jobs).toEqual([job]);
    expect((await server.auth.refreshToken({ refreshToken })).tokens?.accessToken).toBeTruthy();
    expect((await server.auth.login({ identity: username.toUpperCase(), password })).account?.username).toBe(username);
    expect((await refusal(server.auth.signUp({ username, password }))).fields).toEqual(["username"]);
    expect(imageId).not.toBe(developed);
    for (const own of ["darkroom.db", "pictures"]) expect(existsSync(join(server.dataDir, own))).toBe(false);
  });

  test("has everything still there when it is started again", async () => {
    const [settings, dataDir] = [env(mongodb), scratchDirectory()];
    const first = await serve(settings, { worker: false, dataDir });
    const { credential } = await signIn(first);
    const { imageId, jobId } = await submitJob(first, credential);
    await first.app.stop();
    const second = await serve(settings, { worker: false, dataDir });
    expect((await second.jobs.pollImageJob({ jobId }, credential)).job).toMatchObject({ state: State.QUEUED });
    expect(await drain(second.jobs.getImage({ imageId }, credential))).toHaveLength(1);
  });
});

describeOnMongodb("two servers on one MongoDB that start at once", (mongodb) => {
  async function pair(env: Readonly<Record<string, string>> = {}): Promise<readonly [TestServer, TestServer]> {
    const settings = { MONGODB_URI: mongodb.uri, MONGODB_DATABASE: mongodb.newDatabase(), ...env };
    const options = { worker: false, dataDir: scratchDirectory() };
    return Promise.all([serve(settings, options), serve(settings, options)]);
  }

  test("make one administrator, whom both know", async () => {
    const servers = await pair({ DARKROOM_ADMIN_PASSWORD: "" });
    const passwords = servers.flatMap(({ app }) => app.adminPassword ?? []);
    expect(passwords).toHaveLength(1);
    for (const { auth } of servers) {
      const { account } = await auth.login({ identity: "admin", password: passwords[0] ?? "" });
      expect(account?.username).toBe("admin");
    }
  });

  test("take each other's credentials, and refuse what the other revoked", async () => {
    const [here, there] = await pair();
    const { credential, refreshToken } = await signIn(here);
    expect((await there.auth.checkAuth({}, credential)).principal).toBeDefined();
    const { tokens } = await there.auth.refreshToken({ refreshToken });
    await here.auth.logout({}, bearer(tokens?.accessToken ?? ""));
    // Within 2 seconds, as revoking acts everywhere.
    const refused = () =>
      there.auth.checkAuth({}, credential).then(
        () => "let in",
        () => "refused",
      );
    await vi.waitFor(async () => expect(await refused()).toBe("refused"), { timeout: 2000 });
    expect(await refusal(there.auth.checkAuth({}, credential))).toMatchObject({ code: "Unauthenticated" });
    const again = there.auth.refreshToken({ refreshToken: tokens?.refreshToken ?? "" });
    expect(await refusal(again)).toMatchObject({ code: "Unauthenticated" });
  });

  test("share jobs, and a request that comes to both is one", async () => {
    const [here, there] = await pair();
    const { credential } = await signIn(here);
    const { jobId, imageId } = await submitJob(here, credential, { requestId: "once" });
    const repeated = await there.jobs.submitImageJob({ imageId, prompt: "sepia", requestId: "once" }, credential);
    expect(repeated.job?.id).toBe(jobId);
    const polled = there.jobs.pollImageJob({ jobId, wait }, credential);
    await here.jobs.cancelImageJob({ jobId }, credential);
    expect((await polled).job?.state).toBe(State.CANCELLED);
  });

  test("hold a day's quota together, to the request", async () => {
    const servers = await pair({ DARKROOM_DAILY_REQUESTS: "10" });
    const { credential } = await signIn(servers[0]);
    const answers = await atOnce(40, (index) =>
      refusal(servers[index % 2 === 0 ? 0 : 1].jobs.submitImageJob({}, credential)),
    );
    expect(answers.filter(({ reason }) => reason === "INVALID_FIELD")).toHaveLength(10);
    expect(answers.filter(({ reason }) => reason === "DAILY_QUOTA")).toHaveLength(30);
    expect((await servers[1].jobs.getUsage({}, credential)).days).toMatchObject([{ requestCount: 10 }]);
  });

  test("hold what a job's workers may upload in a day together, to the picture", async () => {
    const servers = await pair();
    const { credential } = await signIn(servers[0]);
    const { jobId } = await submitJob(servers[0], credential);
    const { token } = await (await openWorkerQueues(servers[0].dataDir)).message(jobId);
    const data = await smallPicture();
    const uploads = (count: number) =>
      atOnce(count, async (index) => {
        const upload = servers[index % 2 === 0 ? 0 : 1].jobs.uploadImage({ data }, bearer(token));
        return upload.then(
          () => "",
          (error: unknown) => reasonOf(error),
        );
      });
    for (let left = 4; left > 0; left -= 1) expect(await uploads(24)).toEqual(Array(24).fill(""));
    expect((await uploads(6)).toSorted()).toEqual([...Array(4).fill(""), ...Array(2).fill("TOO_MANY_UPLOADS")]);
  });

  test("give a file's name to one of those who upload it at once", async () => {
    const database = mongodb.newDatabase();
    const servers = await pair({ MONGODB_DATABASE: database });
    const { token } = await signIn(servers[0]);
    const headers = { authorization: `Bearer ${token}` };
    for (const [name, bytes] of [
      ["notes.txt", Uint8Array.from(randomBytes(300_000))],
      ["picture.png", await smallPicture()],
    ] as const) {
      const body = () => {
        const form = new FormData();
        form.set("uploadFile", new Blob([bytes]), name);
        return form;
      };
      const answers = await atOnce(6, (index) =>
        fetch(`${servers[index % 2 === 0 ? 0 : 1].url}/upload`, { method: "POST", headers, body: body() }),
      );
      expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 403, 403, 403, 403, 403]);
      const location = answers.find(({ status }) => status === 200)?.headers.get("location");
      const fetched = await fetch(servers[1].url + location, { headers });
      expect(Buffer.from(await fetched.arrayBuffer())).toEqual(Buffer.from(bytes));
    }
    expect(await mongodb.client.db(database).collection("fs.files").countDocuments()).toBe(2);
  });
});

describeOnFerretdb("a server whose database goes away", (ferretdb) => {
  async function open(log = recordingLog()) {
    const server = await serve({ MONGODB_URI: ferretdb.uri, MONGODB_DATABASE: "outage" }, { worker: false, log });
    onTestFinished(() => {
      ferretdb.resume();
      return ferretdb.start();
    });
    const account = await signIn(server);
    const isBack = () =>
      vi.waitUntil(() => server.auth.checkAuth({}, account.credential).catch(() => undefined), { timeout: 30_000 });
    return { server, isBack, ...account };
  }

  /** Who called a moment ago is known for a moment more: until then the database is not asked. */
  async function untilForgotten({ auth }: Darkroom, credential: ReturnType<typeof bearer>): Promise<void> {
    const isRefused = () =>
      auth.checkAuth({}, credential).then(
        () => false,
        () => true,
      );
    await vi.waitUntil(isRefused, { timeout: 10_000 });
    expect(await refusal(auth.checkAuth({}, credential))).toMatchObject(unavailable);
  }

  test.each(["dead", "silent"])("%s, answers `unavailable` in time, and goes on when it is back", async (how) => {
    const { server, isBack, credential, token, username, password, refreshToken } = await open();
    const { jobId } = await submitJob(server, credential);
    await (how === "dead" ? ferretdb.kill() : ferretdb.pause());
    const { auth, jobs } = server;
    await untilForgotten(server, credential);
    const calls = [
      () => auth.checkAuth({}, credential),
      () => auth.validate({ credential: token }),
      () => auth.login({ identity: username, password }),
      () => auth.refreshToken({ refreshToken }),
      () => auth.logout({}, credential),
      () => jobs.pollImageJob({ jobId }, credential),
      () => jobs.cancelImageJob({ jobId }, credential),
      () => drain(jobs.watchImageJob({ jobId }, credential)),
    ];
    const refusals = Promise.all(Array.from({ length: 10 }, () => calls.map((call) => refusal(call()))).flat());
    // They take 3 s at most; the rest is for a slow machine.
    const refused = await Promise.race([refusals, delay(8_000, [])]);
    expect(refused).toHaveLength(80);
    for (const each of refused) {
      expect(each).toMatchObject(unavailable);
      expect(each.metadata.get("retry-after")).toBe("1");
    }
    const response = await fetch(`${server.url}/download/${jobId}`, { headers: { authorization: `Bearer ${token}` } });
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await response.json()).toMatchObject({ reason: "DATABASE_UNAVAILABLE", status: 503 });
    await (how === "dead" ? ferretdb.start() : ferretdb.resume());
    await isBack();
    expect((await jobs.cancelImageJob({ jobId }, credential)).job?.state).toBe(State.CANCELLED);
  });

  test("gives open pollers their results all the same", async () => {
    const { server, isBack, credential } = await open();
    const { jobId } = await submitJob(server, credential);
    const polls = Promise.all(Array.from({ length: 20 }, () => server.jobs.pollImageJob({ jobId, wait }, credential)));
    // They are waiting once later ones are done.
    for (let later = 0; later < 10; later += 1) await server.jobs.pollImageJob({ jobId }, credential);
    await ferretdb.kill();
    // The worker meets the outage too, and asks until it gets an answer.
    const settings = { DARKROOM_SERVER_URL: server.url, DARKROOM_DATA_DIR: server.dataDir, LOG_LEVEL: "error" };
    const worker = run(["worker"], settings);
    await untilForgotten(server, credential);
    await ferretdb.start();
    await isBack();
    for (const { job } of await polls) expect(job).toMatchObject({ state: State.SUCCEEDED, attempt: 1 });
    expect(worker.output.stderr).toBe("");
  });

  test("is not ready, and ready again when it is back", async () => {
    const { server, isBack } = await open();
    const health = async (path: string) => {
      const response = await fetch(server.url + path);
      return [response.status, await response.json()];
    };
    const becomes = (expected: unknown) =>
      vi.waitFor(async () => expect(await health("/health")).toEqual(expected), { timeout: 10_000 });
    const up = [200, { status: "ok", backends: { database: "up", queue: "up" } }];
    const down = [503, { status: "unavailable", backends: { database: "down", queue: "up" } }];
    expect(await health("/health")).toEqual(up);
    await ferretdb.kill();
    await becomes(down);
    // One look for all who ask, however many.
    expect(await Promise.all(Array.from({ length: 200 }, () => health("/health/ready")))).toEqual(
      Array(200).fill(down),
    );
    expect(await health("/health/live")).toEqual([200, { status: "ok" }]);
    await ferretdb.start();
    await isBack();
    await becomes(up);
  });

  test("without room for a write is not ready, and jobs wait for it", async () => {
    const log = recordingLog();
    const { server, isBack, credential } = await open(log);
    const { imageId, jobId } = await submitJob(server, credential);
    const makeRoom = ferretdb.refuseWrites("outage");
    onTestFinished(makeRoom);
    const again = () => server.jobs.submitImageJob({ imageId, prompt: "sepia" }, credential);
    expect(await refusal(again())).toMatchObject(unavailable);
    const status = async () => (await fetch(`${server.url}/health`)).status;
    await vi.waitFor(async () => expect(await status()).toBe(503), { timeout: 10_000 });

    const settings = { DARKROOM_SERVER_URL: server.url, DARKROOM_DATA_DIR: server.dataDir, LOG_LEVEL: "warn" };
    const worker = run(["worker"], settings);
    const refusedClaims = () =>
      log.lines.filter(({ fields }) => `${fields.path}`.endsWith("/ClaimJob") && fields.outcome === "Unavailable");
    await vi.waitFor(() => expect(refusedClaims().length).toBeGreaterThan(2), { timeout: 20_000 });
    makeRoom();
    await isBack();
    const { job } = await server.jobs.pollImageJob({ jobId, wait }, credential);
    expect(job).toMatchObject({ state: State.SUCCEEDED, attempt: 1 });
    await vi.waitFor(async () => expect(await status()).toBe(200), { timeout: 10_000 });
    expect(worker.output.stderr).toBe("");
    const errors = log.lines.flatMap(({ level, message }) => (level === "error" ? message : []));
    expect(errors).toEqual(["the database refuses calls: it has no room, or its credential is no longer good"]);
  });

  test("stops in order all the same", async () => {
    const { server } = await open();
    ferretdb.pause();
    await refusal(server.auth.validate({ credential: "dk" })).catch(() => {});
    const stopped = server.app.stop().then(() => "stopped");
    expect(await Promise.race([stopped, delay(30_000, "still there")])).toBe("stopped");
    ferretdb.resume();
  });
});
