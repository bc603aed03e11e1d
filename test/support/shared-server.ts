import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { startServer } from "../../src/app.ts";
import { connect } from "../../src/client/index.ts";
import { readServerConfig } from "../../src/config.ts";
import { createLog } from "../../src/log.ts";
import type { Log } from "../../src/ports/log.ts";
import { main } from "./bundle.ts";
import { rpcPath } from "./fast-rpc.ts";
import { adminPassword, manyCalls, noPressure, type TestServer } from "./server.ts";

/** A server for all tests of the file that asks for it, while it is loaded; like serve() otherwise. */
export async function shareServer(
  env: Readonly<Record<string, string>> = {},
  { worker = true, log = createLog("silent") as Log, pressure = noPressure } = {},
): Promise<TestServer> {
  const dataDir = mkdtempSync(join(tmpdir(), "darkroom-test-"));
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));
  const config = readServerConfig({
    ...rpcPath,
    PORT: "0",
    DARKROOM_DATA_DIR: dataDir,
    DARKROOM_ADMIN_PASSWORD: adminPassword,
    DARKROOM_RATE_LIMITS: manyCalls,
    ...env,
  });
  const app = await startServer(config, {
    log,
    forkWorker: worker ? (url) => forkWorker(url, dataDir) : undefined,
    pressure,
  });
  afterAll(() => app.stop());
  return { app, url: app.url, dataDir, ...connect(app.url) };
}

function forkWorker(url: string, dataDir: string): ChildProcess {
  const own = { DARKROOM_SERVER_URL: url, DARKROOM_DATA_DIR: dataDir, LOG_LEVEL: "silent" };
  return fork(main, ["worker"], { env: { ...process.env, ...own } });
}
