import { once } from "node:events";
import { type ClientHttp2Session, connect, createServer, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, connect as connectSocket } from "node:net";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { trackSessions } from "../../src/http/http2-sessions.ts";

const idleMs = 1000;

beforeEach(() => void vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

async function listen(answer: (stream: ServerHttp2Stream) => void = () => {}) {
  const sessions = trackSessions(idleMs);
  const server = createServer().on("session", sessions.add).on("stream", answer);
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => {
    sessions.close();
    server.close();
  });
  return { server, port: (server.address() as AddressInfo).port };
}

async function open(answer: (stream: ServerHttp2Stream) => void): Promise<ClientHttp2Session> {
  const { port } = await listen(answer);
  const client = connect(`http://127.0.0.1:${port}`);
  onTestFinished(() => client.destroy());
  return client;
}

/** Returns when all that was sent so far is there, and acknowledged. */
const settled = (client: ClientHttp2Session) => new Promise((resolve) => client.ping(resolve));

test("a connection on which nothing moves is closed, one that is used is not", async () => {
  const client = await open((stream) => stream.respond({}, { endStream: true }));
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
  const client = await open((stream) => {
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

test("one that the other side keeps half open is cut", async () => {
  const { server, port } = await listen();
  const socket = connectSocket({ port, host: "127.0.0.1", allowHalfOpen: true }).resume();
  onTestFinished(() => void socket.destroy());
  const [accepted] = await once(server, "connection");
  const noSettings = Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0);
  socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), noSettings]));
  await once(socket, "data");
  vi.advanceTimersByTime(idleMs * 1.2);
  await once(socket, "end");
  expect(accepted.destroyed).toBe(false);
  const cut = once(accepted, "close");
  vi.advanceTimersByTime(idleMs / 5);
  await cut;
});
