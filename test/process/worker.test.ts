import { renameSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test, vi } from "vitest";
import { connect, State } from "../../src/client/index.ts";
import { smallPicture } from "../support/pictures.ts";
import { childrenOf, type Running, run } from "../support/process.ts";
import { proxyTo } from "../support/proxy.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { answer, fine, startSdWebui } from "../support/sd-webui-server.ts";
import { adminPassword, signIn, signInAdmin } from "../support/server.ts";

const wait = { seconds: 60n };
const patience = { timeout: 30_000, interval: 50 };

/** A server without a worker, as a process of its own, whose model is the stand-in's; and somebody who submits to it. */
async function open() {
  const standIn = await startSdWebui();
  const dataDir = scratchDirectory();
  const env = {
    DARKROOM_DATA_DIR: dataDir,
    DARKROOM_ADMIN_PASSWORD: adminPassword,
    SD_WEBUI_URL: standIn.url,
    DARKROOM_LEASE_SECONDS: "5",
  };
  const server = run(["serve", "--no-worker"], { PORT: "0", LOG_LEVEL: "error", ...env });
  const url = await server.printed(/listens on (\S+),/);
  const darkroom = connect(url);
  const { jobs } = darkroom;
  const { credential, account } = await signIn(darkroom);
  const { image } = await jobs.uploadImage({ data: await smallPicture() }, credential);
  const imageId = image?.id ?? "";
  return {
    standIn,
    darkroom,
    userId: account?.id ?? "",
    server: { ...server, url },
    dataDir,
    startWorker: (more: Readonly<Record<string, string>> = {}) =>
      run(["worker"], { ...env, DARKROOM_SERVER_URL: url, LOG_LEVEL: "info", ...more }),
    async submit(modelType = "sd-webui", prompt = "in oil") {
      const { job } = await jobs.submitImageJob({ imageId, prompt, modelType }, credential);
      return job?.id ?? "";
    },
    poll: async (jobId: string) => (await jobs.pollImageJob({ jobId }, credential)).job,
    ended: async (jobId: string) => (await jobs.pollImageJob({ jobId, wait }, credential)).job,
  };
}

/** Looks at the one message of the embedded queue. */
function messageIn(dataDir: string) {
  const queue = new DatabaseSync(join(dataDir, "queue.db"), { readOnly: true });
  onTestFinished(() => queue.close());
  return () => queue.prepare("SELECT lock, visible_at AS due FROM messages").get();
}

/** Where a worker tells of its health, and what. */
async function healthOf(worker: Running) {
  const line = /"port":(\d+),"msg":"health is told here"/;
  const port = await vi.waitFor(() => {
    const found = line.exec(worker.output.stderr)?.[1];
    if (found === undefined) throw new Error(`it told no port: ${worker.output.stderr}`);
    return found;
  }, patience);
  return async (path: string, method = "GET") => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
    return [response.status, method === "HEAD" ? await response.text() : await response.json()];
  };
}

const up = [200, { status: "ok", backends: { queue: "up", server: "up" } }];
const anyPort = { DARKROOM_WORKER_HEALTH_PORT: "0" };

test("serve --no-worker has none inside, and any worker beside it will do", async () => {
  const { server, startWorker, submit, poll, ended } = await open();
  const jobId = await submit();
  await vi.waitFor(async () => expect((await poll(jobId))?.version).toBeGreaterThan(1n), patience);
  expect(childrenOf(server)).toBe("");
  expect(await poll(jobId)).toMatchObject({ state: State.QUEUED, attempt: 0 });
  for (let count = 0; count < 2; count += 1) startWorker();
  expect(await ended(jobId)).toMatchObject({ state: State.SUCCEEDED, attempt: 1 });
});

test("a worker that is stopped finishes its job first, takes no other, and is not ready meanwhile", async () => {
  const { standIn, startWorker, submit, poll, ended } = await open();
  const finish = Promise.withResolvers<void>();
  standIn.behave(async (response, images) => {
    await finish.promise;
    fine(response, images);
  });
  const begun = standIn.seen("begin");
  const worker = startWorker(anyPort);
  const health = await healthOf(worker);
  await vi.waitFor(async () => expect(await health("/health")).toEqual(up), patience);
  const jobId = await submit();
  await begun;
  const next = await submit();
  worker.child.kill("SIGTERM");
  const stopping = [503, { status: "stopping", backends: { queue: "up", server: "up" } }];
  await vi.waitFor(async () => expect(await health("/health/ready")).toEqual(stopping), patience);
  expect(await health("/health/live")).toEqual([200, { status: "ok" }]);
  finish.resolve();
  expect((await worker.finished).code).toBe(0);
  expect(await ended(jobId)).toMatchObject({ state: State.SUCCEEDED, attempt: 1 });
  expect(await poll(next)).toMatchObject({ state: State.QUEUED, attempt: 0 });
});

test("a worker that is stopped returns what it cannot finish, and another takes it at once", async () => {
  const { standIn, startWorker, submit, ended } = await open();
  standIn.behave(() => {});
  const begun = standIn.seen("begin");
  const worker = startWorker();
  const jobId = await submit();
  await begun;
  worker.child.kill("SIGTERM");
  expect((await worker.finished).code).toBe(0);
  expect(worker.output.stderr).toContain("WORKER_STOPPED");
  standIn.behave(fine);
  startWorker();
  expect(await ended(jobId)).toMatchObject({ state: State.SUCCEEDED, attempt: 2 });
});

test("a worker that is stopped while no server answers returns what it could not claim, to be taken at once", async () => {
  const { server, dataDir, startWorker, submit, ended } = await open();
  const proxy = await proxyTo(server.url);
  proxy.away = true;
  const worker = startWorker({ DARKROOM_SERVER_URL: proxy.url });
  const jobId = await submit();
  const message = messageIn(dataDir);
  await vi.waitFor(() => expect(message()?.lock).toEqual(expect.any(String)), patience);
  worker.child.kill("SIGTERM");
  expect((await worker.finished).code).toBe(0);
  expect(message()?.lock).toBeNull();
  expect(message()?.due).toBeLessThanOrEqual(Date.now());
  startWorker();
  expect(await ended(jobId)).toMatchObject({ state: State.SUCCEEDED, attempt: 1 });
});

test("a worker that is stopped while its claim hangs waits for it no longer than for a job", async () => {
  const { server, dataDir, startWorker, submit, ended } = await open();
  const jobId = await submit();
  const message = messageIn(dataDir);
  await vi.waitFor(() => expect(message()).toBeDefined(), patience);
  server.child.kill("SIGSTOP");
  const worker = startWorker();
  await vi.waitFor(() => expect(message()?.lock).toEqual(expect.any(String)), patience);
  const stoppedAt = performance.now();
  worker.child.kill("SIGTERM");
  expect((await worker.finished).code).toBe(0);
  // A claim may take 30 s, a job 4 s.
  expect(performance.now() - stoppedAt).toBeLessThan(20_000);
  expect(message()?.lock).toBeNull();
  server.child.kill("SIGCONT");
  startWorker();
  expect(await ended(jobId)).toMatchObject({ state: State.SUCCEEDED });
});

test("a worker warns of an image server that is away, whose job waits for it", async () => {
  const { standIn, startWorker, submit, poll } = await open();
  standIn.behave((response) => answer(response, {}, 503));
  const worker = startWorker({ LOG_LEVEL: "warn" });
  const jobId = await submit();
  await vi.waitFor(() => expect(worker.output.stderr).toContain("\n"), patience);
  expect(JSON.parse(worker.output.stderr)).toMatchObject({
    level: "warn",
    job: jobId,
    reason: "IMAGE_SERVER_UNAVAILABLE",
    err: { message: "HTTP 503: {}" },
    msg: "an attempt failed; another may do better",
  });
  await vi.waitFor(async () => expect(await poll(jobId)).toMatchObject({ state: State.QUEUED, attempt: 1 }), patience);
});

test("a terminal's Ctrl-C, which goes to all processes, lets the worker return its job", async () => {
  const { standIn, server, dataDir, submit } = await open();
  standIn.behave(() => {});
  const begun = standIn.seen("begin");
  await submit();
  server.child.kill("SIGTERM");
  await server.finished;

  const env = { PORT: "0", DARKROOM_DATA_DIR: dataDir, SD_WEBUI_URL: standIn.url, LOG_LEVEL: "info" };
  const both = run(["serve"], env);
  await begun;
  process.kill(-(both.child.pid as number), "SIGINT");
  expect((await both.finished).code).toBe(0);
  expect(both.output.stderr).toContain("WORKER_STOPPED");
  expect(both.output.stderr).not.toContain("takes jobs");
});

test("the job of a disabled account waits, and neither it nor the worker is in trouble", async () => {
  const { darkroom, dataDir, userId, startWorker, submit } = await open();
  const admin = await signInAdmin(darkroom);
  const rows = (file: string, sql: string) => {
    const db = new DatabaseSync(join(dataDir, file), { readOnly: true });
    onTestFinished(() => db.close());
    return () => db.prepare(sql).all();
  };
  const messages = rows("queue.db", "SELECT id FROM messages");
  await submit();
  await vi.waitFor(() => expect(messages()).toHaveLength(1), patience);
  await darkroom.auth.setUserDisabled({ userId, disabled: true }, admin.credential);
  const worker = startWorker();
  await vi.waitFor(() => expect(messages()).toEqual([]), patience);
  worker.child.kill("SIGTERM");
  expect((await worker.finished).stderr).not.toMatch(/"level":"(warn|error)"/);
  expect(rows("darkroom.db", "SELECT state FROM jobs")()).toMatchObject([{ state: "QUEUED" }]);
});

test("a worker does as many jobs at a time as it is told", async () => {
  const { standIn, startWorker, submit } = await open();
  standIn.behave(() => {});
  for (let count = 0; count < 5; count += 1) await submit();
  const worker = startWorker({ DARKROOM_WORKER_CONCURRENCY: "3" });
  const claimed = () => worker.output.stderr.split("job claimed").length - 1;
  await vi.waitFor(() => expect(claimed()).toBe(3), patience);
});

test("a worker leaves jobs whose model it does not have to those that have it, and takes others meanwhile", async () => {
  const { dataDir, startWorker, submit, poll, ended } = await open();
  const queue = new DatabaseSync(join(dataDir, "queue.db"), { timeout: 5000 });
  onTestFinished(() => queue.close());
  const count = (where: string) => queue.prepare(`SELECT count(*) AS n FROM messages WHERE ${where}`).get()?.n;
  const passedOver = [await submit(), await submit(), await submit()];
  const without = startWorker({ SD_WEBUI_URL: "" });
  await vi.waitFor(() => expect(count("deliveries > 0 AND lock IS NULL")).toBe(3), patience);
  expect(await ended(await submit("studio", "sepia"))).toMatchObject({ state: State.SUCCEEDED });

  queue.exec("UPDATE messages SET deliveries = 9, visible_at = 0 WHERE seq = (SELECT min(seq) FROM messages)");
  const waits = `"job":"${passedOver[0]}","model":"sd-webui","msg":"a job waits for a worker that has its model"`;
  await vi.waitFor(() => expect(without.output.stderr).toContain(waits), patience);
  await vi.waitFor(() => expect(count("dead_reason IS NULL")).toBe(2), patience);
  expect(await poll(passedOver[0] ?? "")).toMatchObject({ state: State.QUEUED, attempt: 0 });

  // It would go on to take them first, as often as not.
  without.child.kill("SIGTERM");
  await without.finished;
  queue.exec("UPDATE messages SET visible_at = 0");
  startWorker();
  for (const jobId of passedOver.slice(1)) {
    expect(await ended(jobId)).toMatchObject({ state: State.SUCCEEDED, attempt: 1 });
  }
});

test("a worker's health tells of its queue and of its server", async () => {
  const { server, dataDir, startWorker } = await open();
  const proxy = await proxyTo(server.url);
  const health = await healthOf(startWorker({ ...anyPort, DARKROOM_SERVER_URL: proxy.url }));
  const becomes = (expected: unknown) =>
    vi.waitFor(async () => expect(await health("/health")).toEqual(expected), patience);
  const down = (backends: object) => [
    503,
    { status: "unavailable", backends: { queue: "up", server: "up", ...backends } },
  ];
  await becomes(up);
  proxy.away = true;
  proxy.cut();
  await becomes(down({ server: "down" }));
  proxy.away = false;
  await becomes(up);
  renameSync(join(dataDir, "queue.db"), join(dataDir, "aside"));
  await becomes(down({ queue: "down" }));
  renameSync(join(dataDir, "aside"), join(dataDir, "queue.db"));
  await becomes(up);
  for (const path of ["/", "/health/", "/toString"]) expect(await health(path)).toEqual([404, { status: "not found" }]);
  expect([await health("/health", "HEAD"), await health("/", "HEAD")]).toEqual([
    [200, ""],
    [404, ""],
  ]);
  expect(await health("/health", "POST")).toEqual([404, { status: "not found" }]);
});

test("a worker says where its server and its queue are, and which models it has", async () => {
  const { server, dataDir, startWorker } = await open();
  const worker = startWorker();
  await vi.waitFor(() => expect(worker.output.stderr).toContain("\n"), patience);
  worker.child.kill("SIGTERM");
  const [line = "", ...others] = (await worker.finished).stderr.trimEnd().split("\n");
  expect(JSON.parse(line)).toMatchObject({
    level: "info",
    server: server.url,
    queue: dataDir,
    models: expect.arrayContaining(["studio", "sd-webui"]),
    msg: "the worker takes jobs",
  });
  expect(others.map((text) => JSON.parse(text).msg)).toEqual(["stopping", "stopped"]);
});

test("a worker with another queue than its server's says that it is a new one", async () => {
  const { startWorker } = await open();
  const directory = scratchDirectory();
  const first = startWorker({ DARKROOM_DATA_DIR: directory });
  const warning = /"level":"warn".*"msg":"there was no queue in the data directory: a new one is made"/;
  await vi.waitFor(() => expect(first.output.stderr).toMatch(warning), patience);
  await vi.waitFor(() => expect(first.output.stderr).toContain("takes jobs"), patience);
  const second = startWorker({ DARKROOM_DATA_DIR: directory });
  await vi.waitFor(() => expect(second.output.stderr).toContain("takes jobs"), patience);
  expect(second.output.stderr).not.toMatch(warning);
});

test("a worker without a server says so once, at its start, and takes the job when one answers", async () => {
  const { server, startWorker, submit, ended } = await open();
  const proxy = await proxyTo(server.url);
  proxy.away = true;
  const worker = startWorker({ DARKROOM_SERVER_URL: proxy.url });
  const said = () => worker.output.stderr.match(/no server answers at DARKROOM_SERVER_URL|a server answers again/g);
  await vi.waitFor(() => expect(said()).toHaveLength(1), patience);
  const jobId = await submit();
  const { connections } = proxy;
  await vi.waitFor(() => expect(proxy.connections).toBeGreaterThan(connections + 2), patience);
  proxy.away = false;
  expect(await ended(jobId)).toMatchObject({ state: State.SUCCEEDED });
  worker.child.kill("SIGTERM");
  await worker.finished;
  expect(said()).toEqual(["no server answers at DARKROOM_SERVER_URL", "a server answers again"]);
});

test("a worker whose server comes later says so, though there is no job", async () => {
  const { server, startWorker } = await open();
  const proxy = await proxyTo(server.url);
  proxy.away = true;
  const worker = startWorker({ DARKROOM_SERVER_URL: proxy.url });
  const says = (text: string) => vi.waitFor(() => expect(worker.output.stderr).toContain(text), patience);
  await says("no server answers at DARKROOM_SERVER_URL");
  proxy.away = false;
  await says("a server answers again");
});

test.each([
  ["DARKROOM_SERVER_URL", ""],
  ["DARKROOM_SERVER_URL", "localhost:8080"],
  ["DARKROOM_SERVER_URL", "ftp://127.0.0.1"],
  ["DARKROOM_SERVER_CERT_FILE", import.meta.filename],
  ["DARKROOM_SERVER_CERT_FILE", "/dev/null"],
])("a worker does not start with %s=%s, and says so", async (variable, value) => {
  const own = { DARKROOM_SERVER_URL: "https://127.0.0.1:9", DARKROOM_DATA_DIR: scratchDirectory() };
  const worker = run(["worker"], { ...own, [variable]: value });
  expect(await worker.finished).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(new RegExp(`^darkroom: ${variable}: must be [^\n]+\n$`)),
  });
});

test("a worker whose health has no port to be told on does not start, and says so", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await vi.waitFor(() => expect(other.listening).toBe(true));
  onTestFinished(() => void other.close());
  const { port } = other.address() as AddressInfo;
  const env = { DARKROOM_SERVER_URL: "http://127.0.0.1:9", DARKROOM_DATA_DIR: scratchDirectory(), LOG_LEVEL: "error" };
  for (const [value, rule] of [
    [String(port), /^darkroom: DARKROOM_WORKER_HEALTH_PORT: .*choose another\n$/],
    ["80800", /^darkroom: DARKROOM_WORKER_HEALTH_PORT: must be a whole number/],
  ] as const) {
    const worker = run(["worker"], { ...env, DARKROOM_WORKER_HEALTH_PORT: value });
    expect(await worker.finished).toMatchObject({ code: 1, stderr: expect.stringMatching(rule) });
  }
});
