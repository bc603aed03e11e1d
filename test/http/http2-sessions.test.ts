import { once } from "node:events";
import { type ClientHttp2Session, connect, createServer, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, connect as connectSocket } from "node:net";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { trackSessions } from "../../src/http/server/http2-sessions.ts";

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const idleMs = 1000;

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

/** Each alone: the other is longer than a test goes on. */
const idle = { idleMs, headersMs: 60_000 };
const headersMs = 100;
const first = { idleMs: 60_000, headersMs };

async function listen(patience: typeof idle, answer: (stream: ServerHttp2Stream) => void = () => {}) {
  const sessions = trackSessions(patience);
  const server = createServer().on("session", sessions.add).on("stream", answer);
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => {
    sessions.close();
    server.close();
  });
  return { server, port: (server.address() as AddressInfo).port };
}

async function open(patience: typeof idle, answer: (stream: ServerHttp2Stream) => void): Promise<ClientHttp2Session> {
  const { port } = await listen(patience, answer);
  const client = connect(`http://127.0.0.1:${port}`);
  onTestFinished(() => client.destroy());
  return client;
}

/** Returns when all that was sent so far is there, and acknowledged. */
const settled = (client: ClientHttp2Session) => new Promise((resolve) => client.ping(resolve));

test("a connection on which nothing moves is closed, one that is used is not", async () => {
  const client = await open(idle, (stream) => stream.respond({}, { endStream: true }));
  for (let call = 0; call < 5; call++) {
    await once(client.request({ ":path": "/" }).resume(), "close");
    vi.advanceTimersByTime(idleMs * 0.8);
    await settled(client);
  }
  expect(client.closed).toBe(false);
  vi.advanceTimersByTime(idleMs * 1.2);
  await once(client, "close");
});

test("a silent stream goes on", async () => {
  let speak = (): void => {};
  const client = await open(idle, (stream) => {
    stream.respond();
    speak = () => stream.end("at last");
  });
  const stream = client.request({ ":path": "/" }).setEncoding("utf8");
  await once(stream, "response");
  await settled(client);
  vi.advanceTimersByTime(idleMs * 1.4);
  await once(client, "goaway");
  speak();
  expect(await once(stream, "data")).toEqual(["at last"]);
  await once(client, "close");
});

test("whoever connects ahead of their first call is waited for, and asked once whether they are there", async () => {
  const client = await open(first, (stream) => stream.respond({}, { endStream: true }));
  await once(client, "connect");
  await settled(client);
  const asked = once(client, "ping");
  vi.advanceTimersByTime(headersMs / 2);
  await asked;
  await settled(client);
  vi.advanceTimersByTime(headersMs);
  await once(client.request({ ":path": "/" }).resume(), "close");
  expect(client.closed).toBe(false);
});

const noSettings = Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0);
// GET / by HPACK's static table, and no end of the headers.
const halfHeaders = Buffer.of(0, 0, 3, 1, 1, 0, 0, 0, 1, 0x82, 0x86, 0x84);
const goAway = Buffer.of(0, 0, 8, 7, 0, 0, 0, 0, 0, ...Array<number>(8).fill(0));

test.each([
  ["says nothing", "data", []],
  ["sends half the headers of a request", "data", [noSettings, halfHeaders]],
  ["says goodbye and stays", "end", [noSettings, goAway]],
])("who %s is cut", async (_, heard, frames) => {
  const { server, port } = await listen(first);
  const socket = connectSocket({ port, host: "127.0.0.1", allowHalfOpen: true }).resume();
  onTestFinished(() => void socket.destroy());
  const [accepted] = await once(server, "connection");
  const cut = once(accepted, "close");
  socket.write(Buffer.concat([preface, ...frames]));
  await once(socket, heard);
  vi.advanceTimersByTime(headersMs / 2);
  expect(accepted.destroyed).toBe(false);
  vi.advanceTimersByTime(headersMs / 2);
  await cut;
});

test("one that the other side keeps half open is cut", async () => {
  const { server, port } = await listen(idle);
  const socket = connectSocket({ port, host: "127.0.0.1", allowHalfOpen: true }).resume();
  onTestFinished(() => void socket.destroy());
  const [accepted] = await once(server, "connection");
  socket.write(Buffer.concat([preface, noSettings]));
  await once(socket, "data");
  vi.advanceTimersByTime(idleMs * 1.2);
  await once(socket, "end");
  expect(accepted.destroyed).toBe(false);
  const cut = once(accepted, "close");
  vi.advanceTimersByTime(idleMs / 5);
  await cut;
});
