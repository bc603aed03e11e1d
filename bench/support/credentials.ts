import { randomBytes } from "node:crypto";
import { bearer } from "../../src/client/index.ts";
import { adminPassword, type Server, type SignedIn } from "./darkroom.ts";

export async function adminOf({ auth }: Server) {
  const { tokens } = await auth.login({ identity: "admin", password: adminPassword });
  return bearer(tokens?.accessToken ?? "");
}

/** A client with the key for CheckAuth, and no limit that a benchmark could reach. */
export async function makeKey(server: Server, admin: Awaited<ReturnType<typeof adminOf>>): Promise<string> {
  const client = { name: randomBytes(6).toString("hex"), scopes: ["auth:check"], limitPerMinute: 1_000_000 };
  return (await server.auth.createClient({ client }, admin)).apiKey;
}

/** The session token of a new session. */
export async function sessionOf({ auth }: Server, { username, password }: SignedIn): Promise<string> {
  return (await auth.login({ identity: username, password, sessionToken: true })).sessionToken;
}
