import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import type { Readable } from "node:stream";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type ConnectionsMax, connectionsWithin } from "../../src/http/server/connections.ts";
import type { HttpResponse } from "../../src/http/server/http-messages.ts";
import { limits, openHttpServer } from "../../src/http/server/server.ts";
import type { TrustedProxies } from "../../src/model/settings.ts";
import { exchange } from "../support/wire.ts";

const here = { host: "127.0.0.1", port: 0, tls: undefined };

async function open() {
  const port = await openHttpServer((_request, response) => void response.writeHead(204).end(), here);
  const socket = connect({ port: port.address.port, host: "127.0.0.1", allowHalfOpen: true });
  onTestFinished(async () => {
    socket.destroy();
    await port.drain(0);
  });
  return socket;
}

async function openSession() {
  const port = await openHttpServer(() => {}, here);
  const session = connectHttp2(`http://127.0.0.1:${port.address.port}`);
  onTestFinished(async () => {
    session.destroy();
    await port.drain(0);
  });
  return session;
}

test("whoever leaves over HTTP/2 is let go, though a request of theirs is half sent", async () => {
  const socket = (await open()).resume();
  const noSettings = Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0);
  // POST http / by HPACK's static table, and no end of the stream.
  const headers = Buffer.of(0, 0, 3, 1, 4, 0, 0, 0, 1, 0x83, 0x86, 0x84);
  socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), noSettings, headers]));
  await once(socket, "data");
  socket.end();
  await once(socket, "end");
});

test("over HTTP/2 a megabyte is taken before a byte of it is read", async () => {
  const session = await openSession();
  const stream = session.request({ ":method": "POST", ":path": "/" });
  stream.on("error", () => {});
  await once(session, "remoteSettings");
  await new Promise((resolve) => session.ping(resolve));
  // By all of its streams together, before more room is made.
  expect(session.state.remoteWindowSize).toBe(1024 * 1024);
  // Called when all of it is on its way.
  await new Promise((resolve) => stream.write(Buffer.alloc(1024 * 1024), resolve));
});

test("over HTTP/2 a connection may have so many streams at a time", async () => {
  const session = await openSession();
  const [settings] = await once(session, "remoteSettings");
  expect(settings.maxConcurrentStreams).toBe(limits.streamsMax);
});

test("whoever closes their half over HTTP/1.1 gets what is answered already", async () => {
  const socket = (await open()).setEncoding("latin1");
  socket.end("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  expect((await once(socket, "data"))[0]).toMatch(/^HTTP\/1\.1 204 /);
});

test("whoever closes their half over HTTP/1.1 is waited for no more", async () => {
  const taken = Promise.withResolvers<HttpResponse>();
  const port = await openHttpServer((_request, response) => taken.resolve(response), here);
  const socket = connect({ port: port.address.port, host: "127.0.0.1", allowHalfOpen: true }).resume();
  onTestFinished(async () => {
    socket.destroy();
    await port.drain(0);
  });
  socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  const response = await taken.promise;
  socket.end();
  await once(response, "close");
  await once(socket, "close");
});

test.each([[""], ["PRI * "]])("whoever leaves after %o is let go", async (said) => {
  const socket = (await open()).resume();
  socket.end(said);
  await once(socket, "close");
});

test.each([[""], ["PRI * "]])("whoever breaks off after %o harms nobody", async (said) => {
  const socket = await open();
  await once(socket, "connect");
  const { remotePort } = socket;
  await new Promise((resolve) => socket.write(said, resolve));
  socket.resetAndDestroy();
  expect((await fetch(`http://127.0.0.1:${remotePort}/`)).status).toBe(204);
});

test("who keeps a connection for the next call loses none of them when a port closes", async () => {
  const port = await openHttpServer((_request, response) => void response.writeHead(204).end(), here);
  const url = `http://127.0.0.1:${port.address.port}`;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  const call = async () => {
    const sent = request(url, { agent }).end();
    const [response] = (await once(sent, "response")) as [IncomingMessage];
    await once(response.resume(), "end");
    return response.headers.connection;
  };
  expect(await call()).toBe("keep-alive");
  const closedAt = performance.now();
  const drained = port.drain(120_000);
  // As if it had been on its way for so long; the next would need a new connection.
  await vi.waitUntil(() => performance.now() - closedAt > 100);
  expect(await call()).toBe("close");
  await drained;
});

test("who has said nothing does not keep the port open", async () => {
  const port = await openHttpServer(() => {}, here);
  const socket = connect({ port: port.address.port, host: "127.0.0.1" }).resume();
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  // Longer than the test may take.
  const drained = port.drain(120_000);
  await Promise.all([once(socket, "close"), drained]);
});

test("nothing is done for what follows an answer that ends the connection", async () => {
  const seen: unknown[] = [];
  const port = await openHttpServer(({ url }, response) => {
    seen.push(url);
    response.shouldKeepAlive = url !== "/last";
    response.writeHead(204).end();
  }, here);
  onTestFinished(() => port.drain(0));
  const request = (path: string) => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`;
  const all = ["/first", "/last", "/behind", "/behind"].map(request).join("");
  const answers = await exchange(`http://127.0.0.1:${port.address.port}`, all);
  expect([seen, answers.match(/HTTP/g)?.length]).toEqual([["/first", "/last"], 2]);
});

describe.each(["at", "before"])(
  "who has their answer %s the stop, but goes on sending, does not keep the port open",
  (when) => {
    async function answering() {
      const taken = Promise.withResolvers<HttpResponse>();
      const begin = (_request: unknown, response: HttpResponse) => {
        response.writeHead(200).write("begun, ");
        taken.resolve(response);
      };
      const port = await openHttpServer(begin, here);
      onTestFinished(() => port.drain(0));
      /** What the caller has at the end. */
      const stop = async (caller: Readable) => {
        let text = "";
        caller.on("data", (piece: string) => {
          text += piece;
        });
        const end = async () => {
          (await taken.promise).end("ended");
          await vi.waitUntil(() => text.includes("ended"), { timeout: 20_000 });
        };
        if (when === "before") await end();
        // Longer than the test may take.
        const drained = port.drain(120_000);
        if (when === "at") await end();
        await drained;
        return text;
      };
      return { port: port.address.port, stop };
    }

    test("over HTTP/1.1", async () => {
      const { port, stop } = await answering();
      const socket = connect({ port, host: "127.0.0.1" }).setEncoding("latin1");
      socket.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf");
      await once(socket, "readable");
      expect(await stop(socket)).toMatch(/begun, [\s\S]*ended/);
    });

    test("over HTTP/2", async () => {
      const { port, stop } = await answering();
      const session = connectHttp2(`http://127.0.0.1:${port}`);
      onTestFinished(() => session.destroy());
      const stream = session.request({ ":method": "POST", ":path": "/" }).setEncoding("latin1");
      stream.write("half");
      await once(stream, "readable");
      expect([await stop(stream), stream.rstCode]).toEqual(["begun, ended", 0]);
    });

    test("over HTTP/2 by HEAD", async () => {
      const taken = Promise.withResolvers<HttpResponse>();
      const port = await openHttpServer((_request, response) => taken.resolve(response), here);
      const session = connectHttp2(`http://127.0.0.1:${port.address.port}`);
      onTestFinished(async () => {
        session.destroy();
        await port.drain(0);
      });
      const stream = session.request({ ":method": "HEAD", ":path": "/" }, { endStream: false });
      stream.write("half");
      const answered = once(stream, "response");
      const response = await taken.promise;
      const end = async () => {
        response.writeHead(204).end();
        await answered;
      };
      if (when === "before") await end();
      // Longer than the test may take.
      const drained = port.drain(120_000);
      if (when === "at") await end();
      await drained;
      expect([stream.rstCode, (await answered)[0][":status"]]).toEqual([0, 204]);
    });
  },
);

describe("of connections", () => {
  const answer = (_request: unknown, response: HttpResponse) => void response.writeHead(204).end();

  /** Whether it is answered by a port that may have as many. */
  async function opener(connectionsMax: ConnectionsMax, trustedProxies?: TrustedProxies) {
    const port = await openHttpServer(answer, { ...here, connectionsMax, trustedProxies });
    onTestFinished(() => port.drain(0));
    return async () => {
      const socket = connect({ port: port.address.port, host: "127.0.0.1" }).on("error", () => {});
      onTestFinished(() => void socket.destroy());
      socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
      const isAnswered = await Promise.race([
        once(socket, "data").then(() => true),
        once(socket, "close").then(() => false),
      ]);
      return { socket, isAnswered };
    };
  }

  test("one address may have so many at a time", async () => {
    const open = await opener({ each: 2, all: 10 });
    const { socket } = await open();
    expect((await open()).isAnswered).toBe(true);
    expect((await open()).isAnswered).toBe(false);
    socket.destroy();
    await vi.waitUntil(async () => (await open()).isAnswered);
  });

  test("one address leaves as many to others as it has", async () => {
    const open = await opener({ each: 10, all: 4 });
    const opened = [await open(), await open(), await open()];
    expect(opened.map(({ isAnswered }) => isAnswered)).toEqual([true, true, false]);
  });

  test("a trusted proxy may have as many as all together, who may have so many", async () => {
    const open = await opener({ each: 2, all: 3 }, (address) => address === "127.0.0.1");
    const opened = [await open(), await open(), await open(), await open()];
    expect(opened.map(({ isAnswered }) => isAnswered)).toEqual([true, true, true, false]);
  });

  test.each([
    [Number.POSITIVE_INFINITY, { each: 5000, all: 20_000 }],
    [20_000, { each: 5000, all: 10_000 }],
    [1024, { each: 256, all: 512 }],
  ])("a process that may open %d files takes half", (filesMax, max) => {
    expect(connectionsWithin(filesMax, limits.connectionsMax)).toEqual(max);
  });
});

test.each(["1.1", "2.0"])(
  "a connection on which more requests wait than it may have is cut: HTTP/%s",
  async (version) => {
    let taken = 0;
    const port = await openHttpServer(() => void taken++, here);
    const socket = connect({ port: port.address.port, host: "127.0.0.1" }).resume();
    onTestFinished(async () => {
      socket.destroy();
      await port.drain(0);
    });
    const request = `GET / HTTP/${version}\r\nhost: a\r\nconnection: keep-alive\r\n\r\n`;
    const cut = once(socket, "close");
    socket.write(request.repeat(1 + limits.streamsMax));
    await vi.waitUntil(() => taken === 1 + limits.streamsMax, { timeout: 30_000 });
    expect(socket.destroyed).toBe(false);
    socket.write(request);
    await cut;
    expect(taken).toBe(1 + limits.streamsMax);
  },
);

test("requests that were answered do not count as waiting, however many came at once", async () => {
  const responses: HttpResponse[] = [];
  const port = await openHttpServer((_request, response) => void responses.push(response), here);
  const socket = connect({ port: port.address.port, host: "127.0.0.1" }).resume();
  onTestFinished(async () => {
    socket.destroy();
    await port.drain(0);
  });
  for (let rounds = 0; rounds < 3; rounds += 1) {
    socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(limits.streamsMax));
    await vi.waitUntil(() => responses.length === limits.streamsMax, { timeout: 30_000 });
    const last = responses.at(-1);
    const answered = last !== undefined && once(last, "close");
    for (const response of responses.splice(0)) response.writeHead(204).end();
    await answered;
  }
});
