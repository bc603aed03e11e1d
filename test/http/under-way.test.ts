import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { type ClientHttp2Session, connect as connectHttp2, constants } from "node:http2";
import { type AddressInfo, connect as connectSocket, createServer } from "node:net";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createFront } from "../../src/http/front.ts";
import { type CallsMax, CallsUnderWay } from "../../src/http/overload/under-way.ts";
import type { HttpResponse } from "../../src/http/server/http-messages.ts";
import { limits, openHttpServer } from "../../src/http/server/server.ts";
import { createLog } from "../../src/log/log.ts";
import { overloaded } from "../../src/model/overload.ts";

type Answer = (response: ServerResponse, path: string) => void;

/** A port that answers as it is told, and refuses what is too much. */
async function open(
  answer: Answer,
  { callsMax = limits.callsMax, stillMs = 60_000 }: { callsMax?: CallsMax; stillMs?: number } = {},
): Promise<number> {
  const front = createFront({
    rpc: () => false,
    routes: (request, response, call) => {
      if (call.refusal === undefined) answer(response, request.url ?? "");
      else response.writeHead(429).end();
    },
    cors: { origins: [], exposedHeaders: [] },
    trusted: () => true,
    shed: (_call, _request, _response, isTooMany) => (isTooMany ? overloaded : undefined),
    callsMax,
    bodyMs: stillMs,
    log: createLog("silent"),
  });
  const port = await openHttpServer(front, { host: "127.0.0.1", port: 0, tls: undefined });
  onTestFinished(() => port.drain(0));
  return port.address.port;
}

/** More than the sockets of both sides hold. */
const much = Buffer.alloc(64 * 1024 * 1024);

/** A client of HTTP/2 that reads nothing of what the port sends. */
async function connectDeaf(port: number): Promise<ClientHttp2Session> {
  const proxy = createServer((socket) => socket.pipe(connectSocket(port, "127.0.0.1").pause()));
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const settings = { initialWindowSize: 2 ** 31 - 1 };
  const session = connectHttp2(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, { settings });
  onTestFinished(() => {
    session.destroy();
    proxy.close();
  });
  await once(session, "connect");
  session.on("error", () => {}).setLocalWindowSize(settings.initialWindowSize);
  return session;
}

describe("an answer that nobody takes", () => {
  test("is cut over HTTP/2, while the other streams of its connection go on", async () => {
    const { promise: silent, resolve } = Promise.withResolvers<ServerResponse>();
    const port = await open(
      (response, path) => {
        if (path !== "/silent") return void response.end("never taken");
        response.flushHeaders();
        resolve(response);
      },
      { stillMs: 80 },
    );
    const session = connectHttp2(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 0 } });
    onTestFinished(() => session.destroy());
    const waiting = session.request({ ":path": "/silent" });
    const stream = await silent;
    for (const path of ["/one", "/two"]) {
      const untaken = session.request({ ":path": path });
      untaken.on("error", () => {});
      await once(untaken, "close");
      expect(untaken.rstCode).toBe(constants.NGHTTP2_CANCEL);
    }
    session.settings({ initialWindowSize: 100 });
    stream.end();
    await once(waiting.resume(), "end");
    expect(waiting.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
  });

  test.each(["whole", "piece by piece"])("is cut over HTTP/1.1, given %s", async (how) => {
    const { promise: answered, resolve } = Promise.withResolvers<ServerResponse>();
    const port = await open(
      (response) => {
        if (how === "whole") response.end(much);
        else response.write(much);
        resolve(response);
      },
      { stillMs: 80 },
    );
    const socket = connectSocket(port, "127.0.0.1").pause();
    onTestFinished(() => void socket.destroy());
    socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    const response = await answered;
    await once(response, "close");
    expect(response.writableFinished).toBe(false);
  });

  test("is cut over HTTP/2 with its connection, when nothing leaves by that", async () => {
    const { promise: answered, resolve } = Promise.withResolvers<ServerResponse>();
    const port = await open(
      (response) => {
        response.end(much);
        resolve(response);
      },
      { stillMs: 80 },
    );
    const session = await connectDeaf(port);
    session.request({ ":path": "/" }).on("error", () => {});
    const response = await answered;
    await once(response, "close");
    expect(response.writableFinished).toBe(false);
  });

  test("is no answer that is taken slowly, in one piece over HTTP/1.1", async () => {
    const port = await open((response) => void response.end(much), { stillMs: 1000 });
    const socket = connectSocket(port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    const begun = performance.now();
    let taken = 0;
    for await (const piece of socket) {
      taken += piece.length;
      // Takes twice as long as it may stand still.
      await vi.waitUntil(() => performance.now() - begun > (2000 * taken) / much.length, { interval: 5 });
    }
    expect(taken).toBeGreaterThan(much.length);
  });

  test("waits for its turn behind a stream that has nothing to say", async () => {
    const answers: ServerResponse[] = [];
    const { promise: all, resolve } = Promise.withResolvers<void>();
    const port = await open(
      (response, path) => {
        if (path === "/second") response.end("second");
        // More than it holds without being taken.
        if (path === "/third") response.write("third".padEnd(100_000));
        if (answers.push(response) === 3) resolve();
      },
      { stillMs: 80 },
    );
    const cut = connectHttp2(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 0 } });
    const socket = connectSocket(port, "127.0.0.1").setEncoding("utf8");
    onTestFinished(() => {
      cut.destroy();
      socket.destroy();
    });
    socket.write(["/first", "/second", "/third"].map((path) => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`).join(""));
    await all;
    // By then the others would have been cut too.
    const untaken = cut.request({ ":path": "/second" });
    untaken.on("error", () => {});
    await once(untaken, "close");
    answers[0]?.end("first");
    answers[2]?.end("whole");
    let said = "";
    for await (const text of socket) {
      said += text;
      if (said.includes("whole")) break;
    }
    expect(said).toMatch(/first.*second.*third.*whole/s);
  });
});

describe("answers that nobody takes hold so much memory together", () => {
  /** As much as all may hold. */
  const halves = [much, much];

  test("and of the address that holds most one is cut over HTTP/2", async () => {
    const port = await open((response, path) => void response.end(path === "/large" ? much : "a little"));
    const ask = (path: string, address: string) => {
      // A connection each: Node refuses further streams of one that has much to send.
      const session = connectHttp2(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 0 } });
      onTestFinished(() => session.destroy());
      return session.request({ ":path": path, "x-forwarded-for": address }).on("error", () => {});
    };
    const little = ask("/little", "192.0.2.2");
    await once(little, "response");
    const large = halves.map(() => ask("/large", "192.0.2.1"));
    const cut = await Promise.any(large.map((stream) => once(stream, "close").then(() => stream)));
    expect(cut.rstCode).toBe(constants.NGHTTP2_CANCEL);
    expect(large.filter(({ closed }) => closed)).toEqual([cut]);
    little.session?.settings({ initialWindowSize: 100 });
    await once(little.resume(), "end");
    expect(little.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
  });

  test("and are cut behind a stream that has nothing to say", async () => {
    const port = await open((response, path) => {
      if (path === "/silent") response.flushHeaders();
      else response.end(much);
    });
    const socket = connectSocket(port, "127.0.0.1").resume();
    onTestFinished(() => void socket.destroy());
    const paths = ["/silent", ...[...halves, much].map(() => "/large")];
    socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`).join(""));
    await once(socket, "close");
    expect(socket.bytesRead).toBeLessThan(1000);
  });

  test("and are cut with their connection of HTTP/2, when nothing leaves by that", async () => {
    const answers: ServerResponse[] = [];
    const { promise: all, resolve } = Promise.withResolvers<void>();
    const port = await open((response) => {
      response.end(much);
      if (answers.push(response) === 3) resolve();
    });
    const session = await connectDeaf(port);
    for (const _ of [...halves, much]) session.request({ ":path": "/" }).on("error", () => {});
    await all;
    await Promise.all(answers.map((response) => once(response, "close")));
    expect(answers.some(({ writableFinished }) => writableFinished)).toBe(false);
  });
});

test("one address may have so many calls under way, and all together so many", async () => {
  const callsMax: CallsMax = { each: 2, all: 3 };
  const waiting: ServerResponse[] = [];
  const answer: Answer = (response) => {
    waiting.push(response);
    response.flushHeaders();
  };
  const port = await open(answer, { callsMax });
  const kept: Response[] = [];
  const call = async (address: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { "x-forwarded-for": address } });
    // One that nobody has is collected, and its call ends.
    kept.push(response);
    return response.status;
  };
  expect([await call("2001:db8::1"), await call("2001:db8::2")]).toEqual([200, 200]);
  expect(await call("2001:db8::3")).toBe(429);
  expect(await call("192.0.2.1")).toBe(200);
  expect(await call("192.0.2.2")).toBe(429);
  for (const response of waiting) response.end();
  await Promise.all(kept.map((response) => response.text()));
});

test("the more calls are under way, the fewer one address may have, so that a few leave room for others", () => {
  const calls = new CallsUnderWay({ each: 5, all: 10 }, 60_000);
  const response = { writableEnded: false, writableLength: 0 } as HttpResponse;
  let now = 0;
  const begin = (address: string) => {
    const call = calls.add(response, address);
    // The calls of each address are counted anew.
    now += 1000;
    if (!calls.isTooMany(address, now)) return true;
    calls.remove(call);
    return false;
  };
  const beginMany = (address: string) => Array.from({ length: 10 }, () => begin(address)).filter(Boolean).length;
  expect(["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"].map(beginMany)).toEqual([5, 3, 1, 1, 0]);
});
