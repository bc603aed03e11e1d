import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { connect, type Darkroom } from "../../src/client/index.ts";
import { type Child, startChild } from "./children.ts";
import { scratchDirectory } from "./scratch.ts";

export const adminPassword = "correct horse battery";

/** One address signs in as often as a town does: its limits would be what is measured. The limit of each caller stays. */
const open = {
  DARKROOM_ADMIN_PASSWORD: adminPassword,
  DARKROOM_RATE_LIMITS: ["SignUp", "Login", "RefreshToken", "ResetPassword", "RequestPasswordReset", "ExchangeApiKey"]
    .map((name) => `darkroom.auth.v1.AuthService/${name}=off`)
    .join(","),
};
/** What `npm start` runs: see scripts/bundle.ts. */
export const main = join(import.meta.dirname, "../../.cache/server/main.js");
/** As in `npm start` and the image. */
export const nodeOptions = ["--expose-gc", "--max-semi-space-size=4", "--initial-old-space-size=128"] as const;
export const allocator = { MALLOC_ARENA_MAX: "1", MALLOC_TRIM_THRESHOLD_: "131072" } as const;

export interface Server extends Child, Darkroom {
  readonly dataDir: string;
}

/** `darkroom serve` as its users run it: its own command line, its defaults, its access log written to a file. */
export async function startDarkroom({
  worker = false,
  dataDir = scratchDirectory(),
  env = {} as Readonly<Record<string, string>>,
} = {}): Promise<Server> {
  const child = await startChild([...nodeOptions, main, "serve", ...(worker ? [] : ["--no-worker"])], {
    env: { ...allocator, HOST: "127.0.0.1", PORT: "0", DARKROOM_DATA_DIR: dataDir, LOG_LEVEL: "info", ...open, ...env },
    log: join(dataDir, "bench.log"),
  });
  return { ...child, ...connect(child.url), dataDir };
}

export interface SignedIn {
  readonly username: string;
  readonly password: string;
  readonly accountId: string;
  readonly token: string;
}

/** A new account, logged in. */
export async function signIn({ auth }: Darkroom): Promise<SignedIn> {
  const username = `bench-${randomBytes(6).toString("hex")}`;
  const password = randomBytes(12).toString("base64url");
  await auth.signUp({ username, password });
  const { account, tokens } = await auth.login({ identity: username, password });
  if (account === undefined || tokens === undefined) throw new Error("a login without tokens");
  return { username, password, accountId: account.id, token: tokens.accessToken };
}
