import { expect, test } from "vitest";
import { shareServer } from "../support/shared-server.ts";
import { exchange, requestHttp2 } from "../support/wire.ts";

const page = "https://app.example.com";
const server = await shareServer({ CORS_ORIGINS: page }, { worker: false });
const next = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
const login = "/darkroom.auth.v1.AuthService/Login";

/** Statuses of the answers to a request and, if its connection lives on, to the next one. */
async function statuses(...lines: readonly string[]): Promise<readonly string[]> {
  const answers = await exchange(server.url, `${lines.join("\r\n")}\r\n\r\n${next}`);
  return [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status as string);
}

test.each([
  ["several", ["Host: x", "Host: x"]],
  ["several", ["Host: x", "Host: other.example"]],
  ["several", ["Host:", "Host:"]],
  ["none", []],
  ["one with a user", ["Host: user@x"]],
  ["one with a path", ["Host: x/y"]],
  ["one with a blank", ["Host: x y"]],
  ["one with no number for a port", ["Host: x:80a"]],
])("refuses %s for a host, and what follows: %j", async (_what, hosts) => {
  for (const [request, ...more] of [
    ["GET /health HTTP/1.1"],
    ["GET http://x/health HTTP/1.1"],
    ["OPTIONS /health HTTP/1.1", `Origin: ${page}`, "Access-Control-Request-Method: GET"],
    [`POST ${login} HTTP/1.1`, "Content-Type: application/json", "Content-Length: 0"],
  ] as const)
    expect(await statuses(request, ...hosts, ...more)).toEqual(["400"]);
});

test.each(["Host:", "Host: x", "Host: my_service:8080", "Host: x.example.:", "Host: [::1]:80", "host: 10.0.0.1"])(
  "takes '%s'",
  async (host) => {
    expect(await statuses("GET /health HTTP/1.1", host)).toEqual(["200", "200"]);
  },
);

test("over HTTP/2, too, refuses a host that is none", async () => {
  const call = async (authority: string) =>
    (await requestHttp2(server.url, { ":path": "/health", ":authority": authority })).status;
  expect([await call("x:80a"), await call("x")]).toEqual([400, 200]);
});

test("HTTP/1.0 needs no host, and may not have two", async () => {
  const head = ["GET /health HTTP/1.0", "Connection: keep-alive"];
  expect(await statuses(...head)).toEqual(["200", "200"]);
  expect(await statuses(...head, "Host: x", "Host: x")).toEqual(["400"]);
});

test.each(["HTTP/0.9", "HTTP/2.0"])("%s is not spoken as HTTP/1.1 is", async (version) => {
  expect(await statuses(`GET /health ${version}`, "Host: x", "Connection: keep-alive")).toEqual(["400"]);
});

test.each(["HTTP/1.0", "HTTP/1.1"])("undoes no coding of a body but the chunks of HTTP/1.1: by %s", async (version) => {
  const head = [`GET /health ${version}`, "Host: x", "Connection: keep-alive"];
  const coded = (coding: string) => statuses(...head, `Transfer-Encoding: ${coding}`, "", "0");
  expect(await coded("gzip, chunked")).toEqual(["400"]);
  expect(await coded("Chunked")).toEqual(version === "HTTP/1.1" ? ["200", "200"] : ["400"]);
});

test.each(["HTTP/1.0", "HTTP/1.1"])(
  "answers who says that theirs is the last request, whatever follows: %s",
  async (version) => {
    expect(await statuses(`GET /health ${version}`, "Host: x", "Connection: close")).toEqual(["200"]);
  },
);
