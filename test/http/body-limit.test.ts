import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { connect as connectSocket } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { createFront } from "../../src/http/front.ts";
import type { CallsMax } from "../../src/http/overload/under-way.ts";
import { limits, openHttpServer } from "../../src/http/server/server.ts";
import { createLog } from "../../src/log/log.ts";

/** A port whose routes answer when they are told. */
async function open({
  bodyMs = 50,
  callsMax = limits.callsMax,
}: {
  bodyMs?: number;
  callsMax?: CallsMax;
} = {}): Promise<{ port: number; answers: Promise<ServerResponse>; session: ClientHttp2Session }> {
  const { promise: answers, resolve } = Promise.withResolvers<ServerResponse>();
  const front = createFront({
    rpc: () => false,
    routes: (request, response) => {
      if (request.method === "GET") resolve(response);
      if (request.url === "/late") request.resume().on("end", () => resolve(response));
    },
    cors: { origins: [], exposedHeaders: [] },
    trusted: () => true,
    shed: () => undefined,
    callsMax,
    bodyMs,
    log: createLog("silent"),
  });
  const port = await openHttpServer(front, { host: "127.0.0.1", port: 0, tls: undefined });
  const session = connect(`http://127.0.0.1:${port.address.port}`);
  onTestFinished(() => {
    session.destroy();
    return port.drain(0);
  });
  return { port: port.address.port, answers, session };
}

test("a request that has no body takes as long as it likes, while bodies that do not come are cut", async () => {
  const { port, answers, session } = await open();
  const download = session.request({ ":path": "/" }).setEncoding("utf8");
  const answer = await answers;
  const upload = session.request({ ":method": "POST", ":path": "/" });
  upload.write("half");
  const socket = connectSocket(port, "127.0.0.1").resume();
  socket.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nhalf");
  await Promise.all([once(upload, "close"), once(socket, "close")]);
  answer.end("whole");
  expect(await once(download, "data")).toEqual(["whole"]);
});

test("a request whose body came late takes as long as it likes from then on", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const { answers, session } = await open();
  const late = session.request({ ":method": "POST", ":path": "/late" }).setEncoding("utf8");
  late.write("half");
  await once(session, "connect");
  await new Promise((resolve) => session.ping(resolve));
  late.end("whole");
  const answer = await answers;
  vi.advanceTimersByTime(1000);
  answer.end("whole");
  expect(await once(late, "data")).toEqual(["whole"]);
});

test("of many requests that come at once each is cut whose body does not come", async () => {
  const { session } = await open();
  const uploads = Array.from({ length: 130 }, () => session.request({ ":method": "POST", ":path": "/" }));
  for (const upload of uploads) upload.write("half");
  await Promise.all(uploads.map((upload) => once(upload, "close")));
});

test("of too many whose bodies do not come the oldest are cut, so that there is room for others", async () => {
  const { session } = await open({ bodyMs: 60_000, callsMax: { each: 8, all: 8 } });
  const begin = () => {
    const upload = session.request({ ":method": "POST", ":path": "/" });
    upload.write("half");
    return upload;
  };
  const [oldest, ...others] = [begin(), begin(), begin(), begin(), begin()];
  await once(oldest as ClientHttp2Stream, "close");
  expect(others.map(({ closed }) => closed)).toEqual([false, false, false, false]);
});

test("they are those of the address that has most of them, an IPv6 /64 together, and not those that have left", async () => {
  const { session } = await open({ bodyMs: 60_000, callsMax: { each: 8, all: 8 } });
  const begin = (address: string) => {
    const upload = session.request({ ":method": "POST", ":path": "/", "x-forwarded-for": address });
    upload.write("half");
    return upload;
  };
  const oldest = begin("192.0.2.1");
  const gone = ["192.0.2.1", "192.0.2.1", "192.0.2.1"].map(begin);
  await once(session, "connect");
  await new Promise((resolve) => session.ping(resolve));
  for (const upload of gone) upload.close();
  await Promise.all(gone.map((upload) => once(upload, "close")));
  const others = [oldest, begin("192.0.2.2")];
  const many = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"].map(begin);
  await Promise.all(many.slice(0, 2).map((upload) => once(upload, "close")));
  expect([...others, ...many.slice(2)].map(({ closed }) => closed)).toEqual([false, false, false, false]);
});
