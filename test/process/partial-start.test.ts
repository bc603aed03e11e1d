import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test, vi } from "vitest";
import { startParts } from "../../src/app/parts.ts";
import { startServer } from "../../src/app/server-app.ts";
import { openStoreApi } from "../../src/app/store-app.ts";
import { startWorker } from "../../src/app/worker-app.ts";
import { readServerConfig, readWorkerConfig } from "../../src/config/config.ts";
import { createLog } from "../../src/log/log.ts";
import { recordingLog } from "../support/log.ts";
import { run } from "../support/process.ts";
import { scratchDirectory } from "../support/scratch.ts";

const log = createLog("silent");
/** Each open queue watches its bell. */
const watched = () => process.getActiveResourcesInfo().filter((name) => name === "FSEventWrap").length;

/** Its own workers have a model of this name. */
const wrong = (dataDir = scratchDirectory()) =>
  readServerConfig({ DARKROOM_DATA_DIR: dataDir, PORT: "0", DARKROOM_MODELS: '{"studio": "others"}' });

async function takenPort(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return String((server.address() as AddressInfo).port);
}

test.each([
  ["a server", "DARKROOM_MODELS: studio is", async () => startServer(wrong(), { log, forkWorker: undefined })],
  [
    "an operator's API on the store",
    "DARKROOM_MODELS: studio is",
    async () => openStoreApi(wrong(), log, { needsQueues: true }),
  ],
  [
    "a worker",
    "cannot be listened on",
    async () => {
      const port = await takenPort();
      const env = {
        DARKROOM_SERVER_URL: "http://127.0.0.1:1",
        DARKROOM_DATA_DIR: scratchDirectory(),
        DARKROOM_WORKER_HEALTH_PORT: port,
      };
      return startWorker(readWorkerConfig(env), { log, parent: undefined });
    },
  ],
])("%s that cannot start closes what it opened", async (_what, message, start) => {
  const before = watched();
  await expect(start()).rejects.toThrow(message);
  // A watcher that is closed is gone a turn later.
  await vi.waitUntil(() => watched() === before);
});

test.each([
  ["for its settings", async (dataDir: string) => wrong(dataDir), "DARKROOM_MODELS"],
  [
    "on a taken port",
    async (dataDir: string) => readServerConfig({ DARKROOM_DATA_DIR: dataDir, PORT: await takenPort() }),
    "is taken",
  ],
])(
  "a first server that cannot start %s makes no administrator, whose password nobody would be told",
  async (...row) => {
    const [, config, message] = row;
    const dataDir = scratchDirectory();
    await expect(startServer(await config(dataDir), { log, forkWorker: undefined })).rejects.toThrow(message);
    const right = readServerConfig({ DARKROOM_DATA_DIR: dataDir, PORT: "0" });
    const app = await startServer(right, { log, forkWorker: undefined });
    onTestFinished(() => app.stop());
    expect(app.adminPassword).toMatch(/^[\w-]{24}$/);
  },
);

test("a server whose database another process keeps locked says so, and what to do", async () => {
  const dataDir = scratchDirectory();
  const database = new DatabaseSync(join(dataDir, "darkroom.db"));
  onTestFinished(() => database.close());
  database.exec("BEGIN EXCLUSIVE");
  const started = startServer(readServerConfig({ DARKROOM_DATA_DIR: dataDir, PORT: "0" }), {
    log,
    forkWorker: undefined,
  });
  await expect(started).rejects.toThrow(
    /darkroom\.db cannot be opened: another process keeps it locked; end what has it/,
  );
});

test("parts end in reverse order, though one of them cannot, and a second stop waits for the first", async () => {
  const lines = recordingLog();
  const ended: string[] = [];
  const running = await startParts(lines, async (onStop) => {
    onStop("a", async () => void ended.push("first"));
    onStop("b", () => Promise.reject(new Error("stuck")));
    onStop("c", async () => void ended.push("last"));
    return {};
  });
  void running.stop((part) => ended.push(part));
  await running.stop();
  expect(ended).toEqual(["c", "last", "b", "a", "first"]);
  expect(lines.lines).toMatchObject([{ level: "error", message: "a part did not stop in order" }]);
});

test("a server that has stopped looks after nothing any more", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const config = readServerConfig({ DARKROOM_DATA_DIR: scratchDirectory(), PORT: "0" });
  const app = await startServer(config, { log, forkWorker: undefined });
  expect(vi.getTimerCount()).toBeGreaterThan(0);
  await app.stop();
  expect(vi.getTimerCount()).toBe(0);
});

const serviceBus = "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=x;SharedAccessKey=x;UseDevelopmentEmulator=true";

// By an exit code, not by the signal itself, which would do nothing to a container's first process.
test.each([
  ["serve", "SIGTERM", 143, { MONGODB_URI: "mongodb://127.0.0.1:1" }],
  ["serve", "SIGINT", 130, { AZURE_SERVICEBUS_CONNECTION_STRING: serviceBus }],
  [
    "worker",
    "SIGTERM",
    143,
    { AZURE_SERVICEBUS_CONNECTION_STRING: serviceBus, DARKROOM_SERVER_URL: "http://127.0.0.1:1" },
  ],
] as const)("%s that waits for what it needs ends at %s by itself", async (command, signal, code, env) => {
  const started = run([command], { PORT: "0", DARKROOM_DATA_DIR: scratchDirectory(), LOG_LEVEL: "warn", ...env });
  await vi.waitFor(() => expect(started.output.stderr).toContain("waiting for it"), { timeout: 30_000, interval: 50 });
  started.child.kill(signal);
  expect(await started.finished).toMatchObject({ code, stdout: "" });
});
