import { describe, expect, test } from "vitest";
import { recordingLog } from "../support/log.ts";
import { refusalOf } from "../support/refusals.ts";
import { signIn } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";
import { exchange, requestHttp2 } from "../support/wire.ts";

const log = recordingLog();
const server = await shareServer({}, { worker: false, log });
const [user, other] = [await signIn(server), await signIn(server)];
const path = "/darkroom.auth.v1.AuthService/CheckAuth";

/** What a request with these header lines is answered, as they are: its status, and whose it was or why it was refused. */
async function ask(...lines: readonly string[]): Promise<readonly [status: number, whose: string]> {
  const head = [`POST ${path} HTTP/1.1`, "Host: x", "Connection: close", "Content-Type: application/json", ...lines];
  const answer = await exchange(
    server.url,
    Buffer.from(`${head.join("\r\n")}\r\nContent-Length: 2\r\n\r\n{}`, "latin1"),
  );
  const status = Number(answer.slice(9, 12));
  const body = answer.slice(answer.indexOf("\r\n\r\n") + 4);
  if (status === 401) return [status, (await refusalOf(new Response(body, { status }))).reason ?? ""];
  return [status, status === 200 ? JSON.parse(body).principal.account.username : ""];
}

const missing = [401, "CREDENTIAL_MISSING"];
const invalid = [401, "CREDENTIAL_INVALID"];
const authorization = (value: string) => `Authorization: ${value}`;
const mine = authorization(`Bearer ${user.token}`);
const theirs = authorization(`Bearer ${other.token}`);
const nonsense = authorization("Bearer nonsense");

describe("the header Authorization", () => {
  test.each([
    ["as usual", mine],
    ["in capitals", `AUTHORIZATION: BEARER ${user.token}`],
    ["without a blank after its name", `Authorization:Bearer ${user.token}`],
    ["with blanks", `Authorization:   Bearer    ${user.token}   `],
    ["with a tab behind", `${mine}\t`],
  ])("is taken %s", async (_what, line) => {
    expect(await ask(line)).toEqual([200, user.username]);
  });

  test.each([
    ["nothing", "", missing],
    ["blanks", "   ", missing],
    ["a scheme alone", "Bearer", missing],
    ["a scheme and blanks", "Bearer    ", missing],
    ["the token alone", user.token, missing],
    ["another scheme", `Token ${user.token}`, missing],
    ["a scheme that begins alike", `Bearers ${user.token}`, missing],
    ["Basic, with the token as its password", `Basic ${Buffer.from(`x:${user.token}`).toString("base64")}`, missing],
    ["Negotiate", `Negotiate ${user.token}`, missing],
    ["Digest", `Digest username="x", response="${user.token}"`, missing],
    ["two tokens", `Bearer ${user.token} ${user.token}`, missing],
    ["two credentials", `Bearer ${user.token}, Bearer ${other.token}`, missing],
    ["a comma after the scheme", `Bearer,${user.token}`, missing],
    ["a colon", `Bearer: ${user.token}`, missing],
    ["an equals sign", `Bearer=${user.token}`, missing],
    ["a tab", `Bearer\t${user.token}`, missing],
    ["a blank that is none", `Bearer\u00a0${user.token}`, missing],
    ["the scheme twice", `Bearer Bearer ${user.token}`, missing],
    ["quotes", `Bearer "${user.token}"`, invalid],
    ["a parameter", `Bearer token=${user.token}`, invalid],
    ["a comma behind", `Bearer ${user.token},`, invalid],
    ["a semicolon behind", `Bearer ${user.token};`, invalid],
    ["a letter beyond ASCII", `Bearer ${user.token}\u00e9`, invalid],
    ["an escaped token", `Bearer ${user.token.replaceAll(".", "%2E")}`, invalid],
    ["no token's worth", "Bearer .", invalid],
    ["dots", "Bearer ..", invalid],
    ["an object's property", "Bearer __proto__", invalid],
    ["a long token", `Bearer ${"x".repeat(15_000)}`, invalid],
    ["a long row of blanks", `Bearer ${" ".repeat(15_000)}x y`, missing],
  ])("is refused with %s", async (_what, value, answer) => {
    expect(await ask(authorization(value))).toEqual(answer);
  });

  test.each([
    ["a zero byte", `${mine}\0`, 400],
    ["a line end of its own", `${mine}\rX: y`, 400],
    ["a folded line", `Authorization: Bearer\r\n ${user.token}`, 400],
    ["a blank before the colon", `Authorization : Bearer ${user.token}`, 400],
    ["16 KiB", authorization(`Bearer ${"x".repeat(16_384)}`), 431],
  ])("is no request with %s", async (_what, line, status) => {
    expect((await ask(line))[0]).toBe(status);
  });

  test("counts once: the first of several, whatever the others are", async () => {
    expect(await ask(mine, theirs)).toEqual([200, user.username]);
    expect(await ask(mine, nonsense)).toEqual([200, user.username]);
    expect(await ask(nonsense, mine)).toEqual(invalid);
    expect(await ask(authorization("Basic abc"), mine)).toEqual(missing);
  });

  test("counts before X-API-Key, unless it is no bearer's", async () => {
    const key = `X-API-Key: ${other.token}`;
    expect(await ask(mine, key)).toEqual([200, user.username]);
    expect(await ask(key, mine)).toEqual([200, user.username]);
    expect(await ask(nonsense, key)).toEqual(invalid);
    expect(await ask(authorization("Basic abc"), key)).toEqual([200, other.username]);
  });
});

describe("the header X-API-Key", () => {
  test.each([
    ["nothing", "", missing],
    ["a scheme", `Bearer ${user.token}`, invalid],
    ["two credentials", `${user.token}, ${other.token}`, invalid],
    ["quotes", `"${user.token}"`, invalid],
    ["another letter case", user.token.toUpperCase(), invalid],
  ])("is refused with %s", async (_what, value, answer) => {
    expect(await ask(`X-API-Key: ${value}`)).toEqual(answer);
  });

  test("is refused when there are two", async () => {
    expect(await ask(`X-API-Key: ${user.token}`, `X-API-Key: ${user.token}`)).toEqual(invalid);
  });
});

test("credentials elsewhere in a request are nobody's", async () => {
  for (const line of [
    `Cookie: session=${user.token}; authorization=Bearer ${user.token}`,
    `Proxy-Authorization: Bearer ${user.token}`,
    `X-Authorization: Bearer ${user.token}`,
    `X-Forwarded-Authorization: Bearer ${user.token}`,
    `apikey: ${user.token}`,
    `X-Session-Token: ${user.token}`,
  ])
    expect([line, await ask(line)]).toEqual([line, missing]);
  const query = await fetch(`${server.url}${path}?access_token=${user.token}&authorization=Bearer%20${user.token}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({}),
  });
  expect(query.status).toBe(401);
});

test("headers are read alike over HTTP/2", async () => {
  const call = async (headers: Record<string, string>) => {
    const all = { ":path": path, ":method": "POST", "content-type": "application/json", ...headers };
    return (await requestHttp2(server.url, all, Buffer.from("{}"))).status;
  };
  expect(await call({ authorization: `bearer  ${user.token}` })).toBe(200);
  expect(await call({ "x-api-key": user.token })).toBe(200);
  for (const value of [
    "",
    "Bearer",
    `Bearer ${user.token}, Bearer ${other.token}`,
    `Bearer "${user.token}"`,
    user.token,
    // RFC 9113, section 8.2.1: no blanks around a value.
    `Bearer ${user.token} `,
  ])
    expect([value, await call({ authorization: value })]).toEqual([value, 401]);
});

test("nothing of it was a fault", () => {
  expect(log.lines.filter(({ level }) => level === "warn" || level === "error")).toEqual([]);
});
