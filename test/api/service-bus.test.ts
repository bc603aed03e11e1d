import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { openQueues } from "../../src/app/backends.ts";
import { DeadLetterSource, State } from "../../src/client/index.ts";
import { readServerConfig, readWorkerConfig } from "../../src/config/config.ts";
import { namespaceOf } from "../../src/config/service-bus.ts";
import { createLog } from "../../src/log/log.ts";
import { run } from "../support/process.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { fine, startSdWebui } from "../support/sd-webui-server.ts";
import { serve, signIn, signInAdmin, submitJob } from "../support/server.ts";
import { Broker } from "../support/service-bus-broker/broker.ts";

const wait = { seconds: 60n };

async function startBroker(queues = ["darkroom-jobs", "darkroom-results"]): Promise<Broker> {
  const broker = new Broker({ queues });
  await broker.start();
  onTestFinished(() => broker.stop());
  return broker;
}

describe("a server on Service Bus", () => {
  test("has jobs worked by its worker, and reads the results", async () => {
    const broker = await startBroker();
    const server = await serve({ AZURE_SERVICEBUS_CONNECTION_STRING: broker.connectionString });
    const { credential } = await signIn(server);
    const { jobId } = await submitJob(server, credential);
    const { job } = await server.jobs.pollImageJob({ jobId, wait }, credential);
    expect(job).toMatchObject({ state: State.SUCCEEDED, attempt: 1 });
    for (const name of ["darkroom-jobs", "darkroom-results"])
      await vi.waitUntil(() => broker.queue(name).size === 0, { timeout: 30_000 });
    expect(existsSync(join(server.dataDir, "queue.db"))).toBe(false);
  });

  test("has any number of workers, which need no data directory, and results in a queue of another name", async () => {
    const broker = await startBroker(["darkroom-jobs", "answers"]);
    const settings = {
      AZURE_SERVICEBUS_CONNECTION_STRING: broker.connectionString,
      AZURE_RECEIVE_QUEUE_NAME: "answers",
      AZURE_SERVICEBUS_PREFETCH: "1",
    };
    const server = await serve(settings, { worker: false });
    const dataDir = join(scratchDirectory(), "none");
    const own = { DARKROOM_SERVER_URL: server.url, DARKROOM_DATA_DIR: dataDir, LOG_LEVEL: "error" };
    const workers = [run(["worker"], { ...settings, ...own }), run(["worker"], { ...settings, ...own })];
    const { credential } = await signIn(server);
    const submitted = await Promise.all(Array.from({ length: 6 }, () => submitJob(server, credential)));
    const ids = submitted.map(({ jobId }) => jobId);
    for (const jobId of ids) {
      const { job } = await server.jobs.pollImageJob({ jobId, wait }, credential);
      expect(job).toMatchObject({ state: State.SUCCEEDED, attempt: 1 });
    }
    for (const { child } of workers) child.kill("SIGTERM");
    for (const { finished } of workers) expect(await finished).toMatchObject({ code: 0, stderr: "" });
    expect(existsSync(dataDir)).toBe(false);
  });

  test("gets the result that the broker did not take at first", async () => {
    const broker = await startBroker();
    const standIn = await startSdWebui();
    standIn.behave((response, images) => {
      // Three sends, as often as the SDK tries each.
      broker.faults.refuseSends = 9;
      return fine(response, images);
    });
    const settings = { AZURE_SERVICEBUS_CONNECTION_STRING: broker.connectionString, SD_WEBUI_URL: standIn.url };
    const server = await serve(settings);
    const { credential } = await signIn(server);
    const { jobId } = await submitJob(server, credential, { modelType: "sd-webui" });
    const { job } = await server.jobs.pollImageJob({ jobId, wait }, credential);
    expect(job).toMatchObject({ state: State.SUCCEEDED, attempt: 1 });
    expect(broker.faults.refuseSends).toBe(0);
  });

  test("sends many results again that could not be used", async () => {
    const broker = await startBroker();
    const settings = { AZURE_SERVICEBUS_CONNECTION_STRING: broker.connectionString };
    const server = await serve(settings, { worker: false });
    const { serviceBus } = readServerConfig(settings);
    const queues = await openQueues({ dataDir: server.dataDir, serviceBus }, Date.now, createLog("silent"));
    onTestFinished(() => queues.close());
    await queues.resultQueue.send(Array.from({ length: 25 }, (_, id) => ({ id: `${id}`, body: Buffer.from("none") })));
    const { dead } = broker.queue("darkroom-results");
    await vi.waitFor(() => expect(dead?.size).toBe(25), { timeout: 30_000 });
    const admin = await signInAdmin(server);
    const all = { what: { case: "all", value: { source: DeadLetterSource.RESULT } } } as const;
    expect(await server.jobs.redrive(all, admin.credential)).toMatchObject({
      redriven: 25,
      skipped: 0,
    });
  });

  test("accepts jobs while the broker is away, and they go out when it is back", async () => {
    const broker = await startBroker();
    const server = await serve({ AZURE_SERVICEBUS_CONNECTION_STRING: broker.connectionString });
    const { credential } = await signIn(server);
    await broker.stop();
    const { jobId } = await submitJob(server, credential);
    expect((await server.jobs.pollImageJob({ jobId }, credential)).job?.state).toBe(State.QUEUED);
    await broker.start();
    // The SDK takes up to a minute to notice, at a bad moment.
    const state = async () => (await server.jobs.pollImageJob({ jobId, wait }, credential)).job?.state;
    for (let polls = 1; polls < 4 && (await state()) !== State.SUCCEEDED; polls++);
    expect(await state()).toBe(State.SUCCEEDED);
  }, 240_000);
});

describe("the configuration of Service Bus", () => {
  const key = "s3cr3t+/=";
  const connectionString = `Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=${key}`;
  const refused = (env: Readonly<Record<string, string>>) => {
    try {
      readServerConfig(env);
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  };

  test("is the same for servers and workers", () => {
    const env = {
      AZURE_SERVICEBUS_CONNECTION_STRING: connectionString,
      AZURE_PUBLISH_QUEUE_NAME: "old-jobs",
      AZURE_SERVICEBUS_PREFETCH: "100",
    };
    const { serviceBus } = readServerConfig(env);
    expect(serviceBus).toEqual({
      access: { connectionString },
      variable: "AZURE_SERVICEBUS_CONNECTION_STRING",
      publishQueue: "old-jobs",
      resultQueue: "darkroom-results",
      prefetch: 100,
    });
    expect(readWorkerConfig({ ...env, DARKROOM_SERVER_URL: "http://h" }).serviceBus).toEqual(serviceBus);
    const namespace = "ns.servicebus.windows.net";
    const byIdentity = readServerConfig({ AZURE_SERVICEBUS_NAMESPACE: namespace }).serviceBus;
    expect(byIdentity?.access).toEqual({ namespace });
    for (const one of [serviceBus, byIdentity]) expect(one && namespaceOf(one)).toBe(namespace);
    expect(readServerConfig({}).serviceBus).toBeUndefined();
  });

  test.each([
    key,
    `SharedAccessKeyName=Root;SharedAccessKey=${key}`,
    `Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKey=${key}`,
    `Endpoint=http://ns/;SharedAccessKeyName=Root;SharedAccessKey=${key}`,
    `${connectionString};SharedAccessSignature=${key}`,
    `${connectionString};${key}`,
    `${connectionString};EntityPath=${key}`,
    connectionString.replace("ns.", "a@ns."),
  ])("refuses a connection string without repeating it: %s", (text) => {
    const message = refused({ AZURE_SERVICEBUS_CONNECTION_STRING: text });
    expect(message).toMatch(/^AZURE_SERVICEBUS_CONNECTION_STRING: must be /);
    expect(message).not.toContain(key);
  });

  test.each([
    ["AZURE_SERVICEBUS_NAMESPACE", { AZURE_SERVICEBUS_NAMESPACE: "ns.example.net" }],
    ["AZURE_RECEIVE_QUEUE_NAME", { AZURE_RECEIVE_QUEUE_NAME: "Darkroom-Jobs" }],
    ["AZURE_RECEIVE_QUEUE_NAME", { AZURE_RECEIVE_QUEUE_NAME: "a", AZURE_PUBLISH_QUEUE_NAME: "A" }],
    ["AZURE_PUBLISH_QUEUE_NAME", { AZURE_PUBLISH_QUEUE_NAME: "Darkroom-Jobs" }],
    ["AZURE_PUBLISH_QUEUE_NAME", { AZURE_PUBLISH_QUEUE_NAME: "-a" }],
    ["AZURE_PUBLISH_QUEUE_NAME", { AZURE_PUBLISH_QUEUE_NAME: "a".repeat(261) }],
    ["AZURE_SERVICEBUS_PREFETCH", { AZURE_SERVICEBUS_PREFETCH: "101" }],
  ])("refuses %s in doubt: %o", (variable, env) => {
    expect(refused({ AZURE_SERVICEBUS_CONNECTION_STRING: connectionString, ...env })).toMatch(
      new RegExp(`^${variable}: must `),
    );
  });

  test("lets no model's jobs go where results come from", () => {
    const env = { AZURE_RECEIVE_QUEUE_NAME: "answers", DARKROOM_MODELS: `{"sd": "Answers"}` };
    expect(refused({ AZURE_SERVICEBUS_CONNECTION_STRING: connectionString, ...env })).toMatch(
      /^DARKROOM_MODELS: sd's queue must be another than Answers/,
    );
  });

  test("refuses queues' settings without a namespace, and a namespace that is none", () => {
    for (const stray of ["AZURE_PUBLISH_QUEUE_NAME", "AZURE_RECEIVE_QUEUE_NAME", "AZURE_SERVICEBUS_PREFETCH"])
      expect(refused({ [stray]: "1" })).toMatch(new RegExp(`^${stray}: must be given with`));
    for (const host of ["sb://ns.servicebus.windows.net", "ns", "a b.c"])
      expect(refused({ AZURE_SERVICEBUS_NAMESPACE: host })).toMatch(/^AZURE_SERVICEBUS_NAMESPACE: must be a host/);
  });
});

test("darkroom serve gives up a Service Bus that does not answer, and says what to do", async () => {
  const text = "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=Root;SharedAccessKey=s3cr3t;UseDevelopmentEmulator=true";
  const env = { PORT: "0", DARKROOM_DATA_DIR: scratchDirectory(), AZURE_SERVICEBUS_CONNECTION_STRING: text };
  const { code, stderr } = await run(["serve"], env).finished;
  expect(code).toBe(1);
  const [warning = "", message] = stderr.trimEnd().split("\n");
  expect(JSON.parse(warning)).toMatchObject({ level: "warn", msg: "Service Bus cannot be reached; waiting for it" });
  expect(message).toMatch(/^darkroom: AZURE_SERVICEBUS_CONNECTION_STRING: no Service Bus answers at 127\.0\.0\.1/);
  expect(stderr).not.toContain("s3cr3t");
});
