import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type App, startServer } from "../../src/app.ts";
import { bearer, connect, type Darkroom } from "../../src/client/index.ts";
import { readServerConfig } from "../../src/config.ts";
import type { Pressure } from "../../src/http/pressure.ts";
import { createLog } from "../../src/log.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Log } from "../../src/ports/log.ts";
import { main } from "./bundle.ts";
import { rpcPath } from "./fast-rpc.ts";

export const adminPassword = "correct horse battery";
/** Tests sign many people up from one address. */
export const manyCalls = unlimited("SignUp", "Login");

/** A caller in the same process makes the server wait too, which says nothing of its load. */
export const noPressure: Pressure = () => false;

/** No limit on these calls of AuthService, as a setting. */
export function unlimited(...calls: readonly string[]): string {
  return calls.map((name) => `darkroom.auth.v1.AuthService/${name}=off`).join(",");
}

export interface TestServer extends Darkroom {
  readonly app: App;
  readonly url: string;
  readonly dataDir: string;
}

export function scratchDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "darkroom-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/**
 * A server by the production factory, on a free port and real files, with its real worker unless `worker` is false.
 * It stops when the test that asked for it ends.
 */
export async function serve(
  env: Readonly<Record<string, string>> = {},
  { worker = true, dataDir = scratchDirectory(), clock = Date.now as Clock, log = undefined as Log | undefined } = {},
): Promise<TestServer> {
  const settings = {
    ...rpcPath,
    PORT: "0",
    DARKROOM_DATA_DIR: dataDir,
    DARKROOM_ADMIN_PASSWORD: adminPassword,
    ...env,
  };
  const limits = { DARKROOM_RATE_LIMITS: manyCalls };
  const config = readServerConfig({ LOG_LEVEL: "silent", ...limits, ...settings });
  const app = await startServer(config, {
    log: log ?? createLog(config.logLevel),
    clock,
    pressure: noPressure,
    forkWorker: worker
      ? (url) => forkWorker(url, { ...env, DARKROOM_DATA_DIR: dataDir, LOG_LEVEL: config.logLevel })
      : undefined,
  });
  onTestFinished(() => app.stop());
  return { app, url: app.url, dataDir, ...connect(app.url) };
}

function forkWorker(url: string, env: Readonly<Record<string, string>>): ChildProcess {
  return fork(main, ["worker"], { env: { ...process.env, ...env, DARKROOM_SERVER_URL: url } });
}

/** A new account that is logged in; `credential` goes with its calls. */
export async function signIn({ auth }: Darkroom) {
  const username = `user-${randomBytes(6).toString("hex")}`;
  const password = randomBytes(12).toString("base64url");
  await auth.signUp({ username, password });
  const { tokens, account } = await auth.login({ identity: username, password });
  const token = tokens?.accessToken ?? "";
  return { username, password, token, refreshToken: tokens?.refreshToken ?? "", account, credential: bearer(token) };
}
