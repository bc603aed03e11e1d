import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { decodeJwt, generateKeyPair, importJWK, type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import { afterAll, expect, test, vi } from "vitest";
import { bearer } from "../../src/client/index.ts";
import { operations } from "../../src/model/access.ts";
import { procedures } from "../../src/rpc/handler.ts";
import { altered } from "../crypto/opened-secrets.ts";
import { expectedAccess } from "../support/access-table.ts";
import { isFast } from "../support/fast-rpc.ts";
import { recordingLog } from "../support/log.ts";
import { adminPassword, signIn } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const serviceKey = "the-key-of-the-image-service";
// Nothing listens where the relay leads: what comes through the door is answered 502.
const env = { RELAY_UPSTREAM_URL: "http://127.0.0.1:9", IMAGE_SERVICE_API_KEY: serviceKey };
const log = recordingLog();
const server = await shareServer(env, { worker: false, log });
const { auth } = server;

const everyone = ["anonymous", "user", "admin", "scoped client", "bare client", "worker"];

/** Who gets past the door; a client is "scoped" when it has every scope there is. */
function admittedTo(operation: string): readonly string[] {
  const { callers = "", scopes = "" } = expectedAccess.get(operation) ?? {};
  if (callers.includes("nobody")) return everyone;
  return [...callers.split(" "), ...(scopes === "" ? [] : ["scoped client"])];
}

async function tokenOf(identity: string, password: string): Promise<string> {
  return (await auth.login({ identity, password })).tokens?.accessToken ?? "";
}

const allScopes = ["jobs:submit", "jobs:read", "images:write", "images:read", "auth:check", "relay", "admin"];

/** A session that ends does so under a call that may itself end it: each call gets its own. */
async function freshUser(): Promise<string> {
  return (await signIn(server)).token;
}

const adminToken = await tokenOf("admin", adminPassword);
const admin = bearer(adminToken);
const keyOf = async (scopes: string[]) => (await auth.createClient({ client: { name: "a", scopes } }, admin)).apiKey;
const keys = { scoped: await keyOf(allScopes), bare: await keyOf([]) };

const db = new DatabaseSync(join(server.dataDir, "darkroom.db"), { readOnly: true });
afterAll(() => db.close());
const row = db.prepare("SELECT value FROM secrets WHERE name = 'access-token-keys'").get();
const [{ jwk, id: kid }] = JSON.parse(String(row?.value));
const ourKey = await importJWK(jwk, "ES256");
const { privateKey: strangersKey } = await generateKeyPair("ES256");

const signed = (claims: JWTPayload, key: Parameters<SignJWT["sign"]>[0], alg = "ES256") =>
  new SignJWT(claims).setProtectedHeader({ alg, typ: "at+jwt", kid }).sign(key);

async function revoked(): Promise<string> {
  const token = await freshUser();
  await auth.logout({}, bearer(token));
  return token;
}

async function disabled(): Promise<string> {
  const { token, account } = await signIn(server);
  await auth.setUserDisabled({ userId: account?.id ?? "", disabled: true }, admin);
  return token;
}

const alive = decodeJwt(adminToken);
/** Credentials that once were or never were good: no door that asks for one opens to them. */
const spent: Readonly<Record<string, string>> = {
  "expired token": await signed({ ...alive, exp: Math.floor(Date.now() / 1000) - 1 }, ourKey),
  "revoked session": await revoked(),
  "disabled account": await disabled(),
  "tampered token": altered(adminToken, -20),
  "another signer": await signed(alive, strangersKey),
  "another issuer": await signed({ ...alive, iss: "elsewhere" }, ourKey),
  "another audience": await signed({ ...alive, aud: "elsewhere" }, ourKey),
  "no algorithm": new UnsecuredJWT(alive).encode(),
  "HS256 by the public key": await signed(alive, Buffer.from(jwk.x, "base64url"), "HS256"),
  "tampered key": altered(keys.scoped, -3),
  "tampered service key": altered(serviceKey, -3),
  nonsense: "nonsense",
};

const streams = ["WatchImageJob", "GetImage", "Health/Watch", "ServerReflectionInfo"];
const refusals = { unauthenticated: 401, permission_denied: 403 } as const;

/** How the door answered: what comes after it, a malformed body for example, is another matter. */
async function knock(operation: string, credential: string | undefined): Promise<"admitted" | number> {
  const { path, method, type, body } = requestFor(operation);
  const authorization = credential === undefined ? {} : { authorization: `Bearer ${credential}` };
  const headers = { ...authorization, ...(type === undefined ? {} : { "content-type": type }) };
  const sent = body === undefined ? {} : { body };
  const response = await fetch(server.url + path, { method, headers, ...sent, signal: AbortSignal.timeout(30_000) });
  if (/^\/(api\/|auth\/v1\/|upload$)/.test(path)) return inLog(response.headers.get("x-request-id"));
  const reader = response.body?.getReader();
  // A stream's refusal is its first message, under status 200.
  const first = streams.some((name) => operation.endsWith(name)) ? (await reader?.read())?.value : undefined;
  await reader?.cancel();
  const code = /"code":"(unauthenticated|permission_denied)"/.exec(new TextDecoder().decode(first))?.[1];
  if (code !== undefined) return refusals[code as keyof typeof refusals];
  // The door's own refusal is a problem; a route may answer 401 by itself.
  if (operation.includes(" ") && response.headers.get("content-type")?.startsWith("application/json"))
    return "admitted";
  return response.status === 401 || response.status === 403 ? response.status : "admitted";
}

/** Where the old system's own answers stand in for the door's refusal. */
async function inLog(requestId: string | null): Promise<"admitted" | number> {
  const line = await vi.waitUntil(() =>
    log.lines.find(({ fields }) => fields.request_id === requestId && "outcome" in fields),
  );
  const outcome = String(line.fields.outcome);
  if (outcome === "NOT_ALLOWED") return 403;
  return unknown.includes(outcome) ? 401 : "admitted";
}

const unknown = ["CREDENTIAL_MISSING", "CREDENTIAL_INVALID", "SESSION_ENDED", "ACCOUNT_UNUSABLE"];

function requestFor(operation: string): { path: string; method: string; type?: string; body?: string } {
  const [method = "", pattern] = operation.split(" ");
  if (pattern === "/auth/token")
    return { path: pattern, method, type: "application/json", body: JSON.stringify({ api_key: keys.bare }) };
  if (pattern !== undefined) {
    return {
      path: pattern.replace(":uuid", crypto.randomUUID()),
      method,
      ...(method === "POST" ? { type: "image/png" } : {}),
    };
  }
  const rpc = { path: `/${operation}`, method: "POST" };
  const isStream = streams.some((name) => operation.endsWith(name));
  // A stream's messages have a length before them.
  return isStream
    ? { ...rpc, type: "application/connect+json", body: "\0\0\0\0\u0002{}" }
    : { ...rpc, type: "application/json", body: "{}" };
}

let cells = 0;
afterAll(() => void process.stdout.write(`the access table: ${cells} cells were checked\n`));

test("has every procedure and every route", () => {
  expect(new Set([...operations, ...procedures])).toEqual(new Set(expectedAccess.keys()));
});

/** Plain HTTP takes no path of RPCs, so once is enough. */
const asked = operations.filter((operation) => isFast || !operation.includes(" "));

test.each(asked.map((operation) => [operation]))("%s", async (operation) => {
  const allowed = admittedTo(operation);
  const callers = {
    anonymous: undefined,
    user: await freshUser(),
    admin: await tokenOf("admin", adminPassword),
    "scoped client": keys.scoped,
    "bare client": keys.bare,
    worker: serviceKey,
  };
  for (const [caller, credential] of Object.entries(callers)) {
    const refused = caller === "anonymous" ? 401 : 403;
    expect([caller, await knock(operation, credential)]).toEqual([
      caller,
      allowed.includes(caller) ? "admitted" : refused,
    ]);
    cells += 1;
  }
  for (const [caller, credential] of Object.entries(spent)) {
    const expected = allowed.includes("anonymous") ? "admitted" : 401;
    expect([caller, await knock(operation, credential)]).toEqual([caller, expected]);
    cells += 1;
  }
});
