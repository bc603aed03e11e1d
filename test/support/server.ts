import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CallOptions } from "@connectrpc/connect";
import { onTestFinished } from "vitest";
import type { SubmitImageJobRequestSchema } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { type App, type AppDeps, startServer } from "../../src/app/server-app.ts";
import { bearer, connect, type Darkroom } from "../../src/client/index.ts";
import { readServerConfig } from "../../src/config/config.ts";
import { createLog } from "../../src/log/log.ts";
import { main } from "./bundle.ts";
import { rpcPath } from "./fast-rpc.ts";
import { quickPasswords } from "./passwords.ts";
import { smallPicture } from "./pictures.ts";
import { type OnEnd, scratchDirectory } from "./scratch.ts";

export const adminPassword = "correct horse battery";

/** No limit on these calls of AuthService, as a setting. */
export function unlimited(...calls: readonly string[]): string {
  return calls.map((name) => `darkroom.auth.v1.AuthService/${name}=off`).join(",");
}

export interface TestServer extends Darkroom {
  readonly app: App;
  readonly url: string;
  readonly dataDir: string;
}

type Wanted = MessageInitShape<typeof SubmitImageJobRequestSchema>;

export type Settings = Readonly<Record<string, string>>;

export interface ServerOptions extends Partial<Omit<AppDeps, "forkWorker">> {
  readonly worker?: boolean;
  readonly dataDir?: string;
}

/** A server for the test that asks for it. */
export function serve(env?: Settings, options?: ServerOptions): Promise<TestServer> {
  return openServer(onTestFinished, env, options);
}

/**
 * A server by the production factory, on a free port and real files, with its real worker unless `worker` is false.
 * It stops when `onEnd` says.
 */
export async function openServer(
  onEnd: OnEnd,
  env: Settings = {},
  { worker = true, dataDir = scratchDirectory(onEnd), ...deps }: ServerOptions = {},
): Promise<TestServer> {
  const config = readServerConfig({
    ...rpcPath,
    PORT: "0",
    LOG_LEVEL: "silent",
    DARKROOM_DATA_DIR: dataDir,
    DARKROOM_ADMIN_PASSWORD: adminPassword,
    // Tests sign many people up from one address.
    DARKROOM_RATE_LIMITS: unlimited("SignUp", "Login"),
    ...env,
  });
  const workerEnv = { ...env, DARKROOM_DATA_DIR: dataDir, LOG_LEVEL: config.logLevel };
  const app = await startServer(config, {
    log: createLog(config.logLevel),
    // A caller in the same process makes the server wait too, which says nothing of its load.
    pressure: () => false,
    passwords: quickPasswords(),
    ...deps,
    forkWorker: worker ? (url) => forkWorker(url, workerEnv) : undefined,
  });
  onEnd(() => app.stop());
  return { app, url: app.url, dataDir, ...connect(app.url) };
}

function forkWorker(url: string, env: Settings): ChildProcess {
  return fork(main, ["worker"], { env: { ...process.env, ...env, DARKROOM_SERVER_URL: url } });
}

/** A new account that is logged in; `credential` goes with its calls. */
export async function signIn({ auth }: Pick<Darkroom, "auth">) {
  const username = `user-${randomBytes(6).toString("hex")}`;
  const password = randomBytes(12).toString("base64url");
  await auth.signUp({ username, password });
  return logIn({ auth }, username, password);
}

/** The first administrator, logged in. */
export const signInAdmin = ({ auth }: Pick<Darkroom, "auth">) => logIn({ auth }, "admin", adminPassword);

async function logIn({ auth }: Pick<Darkroom, "auth">, username: string, password: string) {
  const { tokens, account } = await auth.login({ identity: username, password });
  const token = tokens?.accessToken ?? "";
  return { username, password, token, refreshToken: tokens?.refreshToken ?? "", account, credential: bearer(token) };
}

/** A small picture, uploaded, and a job for it; the caller of a server that is open to all has no credential. */
export async function submitJob({ jobs }: Pick<Darkroom, "jobs">, credential?: CallOptions, wanted: Wanted = {}) {
  const { image } = await jobs.uploadImage({ data: await smallPicture() }, credential);
  const imageId = image?.id ?? "";
  const { job } = await jobs.submitImageJob({ imageId, prompt: "sepia", ...wanted }, credential);
  return { imageId, jobId: job?.id ?? "" };
}
