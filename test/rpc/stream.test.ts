import { getEventListeners, once } from "node:events";
import { request } from "node:http";
import { connect } from "node:http2";
import type { Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { gunzipSync } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { GetImageResponseSchema, ImageJobService } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { createLog } from "../../src/log/log.ts";
import { recordingLog } from "../support/log.ts";
import { drain, refusal } from "../support/refusals.ts";
import { openRpcPort, type RpcPortOptions } from "../support/rpc-port.ts";
import { protocols } from "../support/transports.ts";

const path = `/${ImageJobService.typeName}/GetImage`;
const pieceBytes = 64 * 1024;
const piece = (fill: number) => ({ data: Buffer.alloc(pieceBytes, fill) });
/** More than all buffers on the way hold. */
const many = 1000;
const ok = { code: 0, message: "" };

/** Requests by hand, over which nothing but the server has a deadline. */
const ways = [
  { name: "Connect", type: "application/connect+proto", http: 1, timeout: "connect-timeout-ms", unit: "" },
  { name: "gRPC-Web", type: "application/grpc-web+proto", http: 1, timeout: "grpc-timeout", unit: "m" },
  { name: "gRPC", type: "application/grpc+proto", http: 2, timeout: "grpc-timeout", unit: "m" },
] as const;

type Source = (context: HandlerContext) => AsyncIterable<{ data: Buffer }>;

/** What a handler sees, and may do, must not depend on the path that a stream takes. */
describe.each([
  ["the fast path", true],
  ["connect-node's own path", false],
])("%s", (_what, fast) => {
  async function open(source: Source, options: Partial<RpcPortOptions> = {}): Promise<string> {
    const routes: RpcPortOptions["routes"] = (router) =>
      void router.rpc(ImageJobService.method.getImage, (_request, context) => source(context));
    const port = await openRpcPort({ routes, fast, log: createLog("silent"), ...options });
    onTestFinished(() => port.drain(0));
    return `http://127.0.0.1:${port.address.port}`;
  }

  /** A stream that is never read to its end, and how many of its messages were asked for, until it is told to end. */
  function endless() {
    const told = Promise.withResolvers<void>();
    const seen = { asked: 0, told: told.promise };
    async function* source() {
      try {
        while (seen.asked < 5 * many) {
          seen.asked += 1;
          yield piece(seen.asked % 256);
        }
      } finally {
        if (seen.asked < 5 * many) told.resolve();
      }
    }
    return { seen, source };
  }

  async function standstill(seen: { asked: number }): Promise<number> {
    let last = -1;
    let times = 0;
    await vi.waitUntil(
      () => {
        times = seen.asked === last ? times + 1 : 0;
        last = seen.asked;
        return times === 5;
      },
      { timeout: 30_000, interval: 50 },
    );
    return last;
  }

  test("takes no caller who leaves for a fault", async () => {
    const log = recordingLog();
    const url = await open(endless().source, { log });
    const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc+proto", te: "trailers" };
    // How a connection ends is told by whichever comes first: a read, a write, or nothing.
    const leavings = Array.from({ length: 40 }, async () => {
      const session = connect(url).on("error", () => {});
      const stream = session.request(headers).on("error", () => {});
      stream.end(Buffer.alloc(5));
      stream.resume();
      await once(stream, "data");
      (session.socket as Socket).resetAndDestroy();
      await once(session, "close");
    });
    await Promise.all(leavings);
    const ended = () => log.lines.filter(({ message }) => message === "request");
    await vi.waitUntil(() => ended().length === leavings.length, { timeout: 30_000 });
    expect(log.lines.filter(({ level }) => level === "error")).toEqual([]);
  });

  describe.each(protocols)("over $name", ({ name, open: transport }) => {
    const clientOf = (url: string) => createClient(ImageJobService, transport(url));

    test("carries every message, headers before and trailers after", async () => {
      const url = await open(async function* ({ responseHeader, responseTrailer }) {
        responseHeader.append("x-first", "this");
        for (let at = 0; at < 40; at += 1) yield at % 2 === 0 ? piece(at) : { data: Buffer.from("small") };
        responseTrailer.set("x-after", "then");
      });
      const seen: (string | null)[] = [];
      const messages = await drain(
        clientOf(url).getImage(
          {},
          {
            onHeader: (header) => void seen.push(header.get("x-first")),
            onTrailer: (trailer) => void seen.push(trailer.get("x-after")),
          },
        ),
      );
      expect(seen).toEqual(["this", "then"]);
      expect(messages).toHaveLength(40);
      expect(messages.map(({ data }) => [data.length, data[0]])).toEqual(
        messages.map((_, at) => (at % 2 === 0 ? [pieceBytes, at] : [5, "s".charCodeAt(0)])),
      );
    });

    test("ends without a message", async () => {
      const url = await open(async function* () {});
      expect(await drain(clientOf(url).getImage({}))).toEqual([]);
    });

    test("tells of an error after some messages", async () => {
      const url = await open(async function* () {
        yield piece(1);
        yield piece(2);
        throw new ConnectError("the rest is lost", Code.DataLoss, { "x-why": "that" });
      });
      const got: unknown[] = [];
      const reading = (async () => {
        for await (const { data } of clientOf(url).getImage({})) got.push(data[0]);
      })();
      const refused = await refusal(reading);
      expect(refused).toMatchObject({ code: "DataLoss", message: "the rest is lost" });
      expect(refused.metadata.get("x-why")).toBe("that");
      expect(got).toEqual([1, 2]);
    });

    test("tells of an error before the first", async () => {
      const url = await open(() => {
        throw new ConnectError("not there", Code.NotFound);
      });
      expect(await refusal(clientOf(url).getImage({}))).toMatchObject({ code: "NotFound", message: "not there" });
    });

    // Which connect-node does not tell over HTTP/2.
    if (fast || !name.endsWith("HTTP/2"))
      test("tells the source when the caller leaves half-way", async () => {
        const { seen, source } = endless();
        const leaving = new AbortController();
        const messages = clientOf(await open(source)).getImage({}, { signal: leaving.signal });
        const reading = (async () => {
          for await (const _message of messages) if (seen.asked > 3) leaving.abort();
        })();
        expect(await refusal(reading)).toMatchObject({ code: "Canceled" });
        await seen.told;
      });

    test("lets a stream that is under way end by itself when the server stops", async () => {
      const stopping = new AbortController();
      const url = await open(
        async function* ({ signal }) {
          yield piece(1);
          stopping.abort(new ConnectError("come back later", Code.Unavailable));
          yield piece(2);
          expect(signal.reason).toMatchObject({ code: Code.Unavailable });
          for (let at = 3; at <= 20; at += 1) yield piece(at);
        },
        { stopping: stopping.signal },
      );
      expect(await drain(clientOf(url).getImage({}))).toHaveLength(20);
    });

    test("says what a stopping server says to a stream that waits", async () => {
      const stopping = new AbortController();
      const url = await open(
        async function* ({ signal }) {
          yield piece(1);
          stopping.abort(new ConnectError("come back later", Code.Unavailable));
          signal.throwIfAborted();
        },
        { stopping: stopping.signal },
      );
      expect(await refusal(clientOf(url).getImage({}))).toMatchObject({ code: "Unavailable" });
    });
  });

  describe.each(ways)("over $name, by hand", (way) => {
    const deadline = { [way.timeout]: `100${way.unit}` };

    // Which connect-node leaves to the source.
    if (fast)
      test("ends a stream whose deadline passes, and tells its source", async () => {
        const { seen, source } = endless();
        const { body } = await ask(await open(source), way, deadline);
        const answer = await all(body);
        await seen.told;
        expect(answer.messages.length).toBeGreaterThan(1);
        expect(answer.end).toMatchObject({ code: Code.DeadlineExceeded, message: "the operation timed out" });
      });

    // Which connect-node leaves to the source.
    if (fast)
      test("tells the source of a deadline that passes while it waits for its caller", async () => {
        const { seen, source } = endless();
        const { body } = await ask(await open(source), way, deadline);
        await seen.told;
        const { messages, end } = await all(body);
        expect(messages.length).toBe(seen.asked);
        expect(end.code).toBe(Code.DeadlineExceeded);
      });

    test("asks for no more than the caller takes, and for the rest when they go on", async () => {
      const { seen, source } = endless();
      const { body } = await ask(await open(source), way);
      const asked = await standstill(seen);
      expect(asked).toBeLessThan(many);
      body.stream.resume();
      await vi.waitUntil(() => seen.asked > many, { timeout: 30_000 });
    });

    // Which connect-node does not tell over HTTP/2.
    if (fast || way.http === 1)
      test("tells the source when the caller leaves while it waits for them", async () => {
        const { seen, source } = endless();
        const { body } = await ask(await open(source), way);
        await standstill(seen);
        body.stream.destroy();
        await seen.told;
      });

    test("lets a source that waits see its deadline", async () => {
      const url = await open(async function* ({ signal }) {
        yield piece(1);
        // On a busy machine the deadline may have passed already.
        if (!signal.aborted) await once(signal, "abort");
        throw signal.reason;
      });
      const { messages, end } = await all((await ask(url, way, deadline)).body);
      expect([messages.length, end.code]).toEqual([1, Code.DeadlineExceeded]);
    });

    test("says nothing of a fault that nobody foresaw", async () => {
      const url = await open(
        async function* () {
          yield piece(1);
          throw new Error("a secret");
        },
        { interceptors: [] },
      );
      const { messages, end } = await all((await ask(url, way)).body);
      expect(messages).toHaveLength(1);
      expect(end).toEqual({ code: Code.Internal, message: expect.stringMatching(/^internal error/) });
      expect(end.message).not.toContain("secret");
    });

    test("asks the gate before it reads the body", async () => {
      const gate = async ({ requestHeader }: HandlerContext) => {
        if (!requestHeader.has("x-pass")) throw new ConnectError("no", Code.PermissionDenied);
      };
      const url = await open(async function* () {}, { gate });
      const nonsense = encodeEnvelope(0, Buffer.from("no message"));
      expect((await all((await ask(url, way, {}, nonsense)).body)).end.code).toBe(Code.PermissionDenied);
      const passed = await all((await ask(url, way, { "x-pass": "yes" })).body);
      expect(passed.end).toEqual(ok);
    });

    test.each([
      ["none", Buffer.alloc(0), Code.Unimplemented],
      ["two", Buffer.alloc(10), Code.Unimplemented],
      ["half of one", Buffer.from([0, 0, 0, 0, 9, 1]), Code.InvalidArgument],
      ["too large a one", encodeEnvelope(0, Buffer.alloc(101)), Code.ResourceExhausted],
    ])("refuses a body with %s", async (_what, body, code) => {
      let calls = 0;
      const url = await open(
        async function* () {
          calls += 1;
          yield piece(1);
        },
        { messageMax: 100 },
      );
      expect((await all((await ask(url, way, {}, body)).body)).end.code).toBe(code);
      expect(calls).toBe(0);
    });

    test("compresses what is large when the caller takes it", async () => {
      const url = await open(async function* () {
        yield piece(7);
        yield { data: Buffer.from("small") };
      });
      const name = way.name === "Connect" ? "connect" : "grpc";
      const accept = { [`${name}-accept-encoding`]: "gzip" };
      const { header, body } = await ask(url, way, accept);
      const { envelopes } = await all(body);
      expect(header[name === "grpc" ? "grpc-encoding" : "connect-content-encoding"]).toBe("gzip");
      const [large, small] = envelopes;
      expect([large?.flags, small?.flags]).toEqual([1, 0]);
      expect(fromBinary(GetImageResponseSchema, gunzipSync(large?.data ?? "")).data).toEqual(piece(7).data);
    });
  });

  test("gives interceptors a stream that they can spread, change and pass on", async () => {
    const seen: unknown[] = [];
    const interceptor: Interceptor = (next) => async (request) => {
      const response = await next({ ...request, header: new Headers({ "x-asked": "changed" }) });
      if (!request.stream || !response.stream) throw new Error("it is one");
      async function* doubled(messages: AsyncIterable<never>) {
        for await (const message of messages) {
          yield message;
          yield message;
        }
        seen.push(response.trailer.get("x-after"));
        trailer.set("x-end", "changed");
      }
      const header = new Headers({ ...Object.fromEntries(response.header), "x-answer": "changed" });
      const trailer = new Headers(response.trailer);
      return { ...response, header, trailer, message: doubled(response.message as AsyncIterable<never>) };
    };
    const url = await open(
      async function* ({ requestHeader, responseTrailer }) {
        seen.push(requestHeader.get("x-asked"));
        yield piece(1);
        responseTrailer.set("x-after", "then");
      },
      { interceptors: [interceptor] },
    );
    const [way] = ways;
    const { header, body } = await ask(url, way, { "x-asked": "this" });
    const { envelopes, messages, end } = await all(body);
    expect(header["x-answer"]).toBe("changed");
    expect(JSON.parse(String(envelopes.at(-1)?.data)).metadata["x-end"]).toEqual(["changed"]);
    expect([messages.length, end]).toEqual([2, ok]);
    expect(seen).toEqual(["changed", "then"]);
  });

  test("aborts the signal when the stream has ended, and no sooner", async () => {
    let signal: AbortSignal | undefined;
    const early: unknown[] = [];
    const url = await open(async function* (context) {
      signal = context.signal;
      yield piece(1);
      early.push(signal.aborted);
    });
    await all((await ask(url, ways[0])).body);
    expect(early).toEqual([false]);
    expect(signal?.aborted).toBe(true);
  });
});

test("a server's stop has one listener, however many streams are open", async () => {
  const stopping = new AbortController();
  const reason = new ConnectError("come back later", Code.Unavailable);
  const routes: RpcPortOptions["routes"] = (router) =>
    void router.rpc(ImageJobService.method.getImage, async function* (_request, { signal }) {
      yield piece(1);
      await once(signal, "abort");
      throw signal.reason;
    });
  const options = { routes, fast: true, log: createLog("silent"), stopping: stopping.signal };
  const port = await openRpcPort(options);
  onTestFinished(() => port.drain(0));
  const url = `http://127.0.0.1:${port.address.port}`;
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(url, ways[0])));
  expect(getEventListeners(stopping.signal, "abort").length).toBeLessThan(3);
  stopping.abort(reason);
  for (const { body } of answers) expect((await all(body)).end).toMatchObject({ code: Code.Unavailable });
});

test("a server keeps nothing of a stream that is over", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage: () => void = runInNewContext("gc");
  let kept: WeakRef<AbortSignal> | undefined;
  const routes: RpcPortOptions["routes"] = (router) =>
    void router.rpc(ImageJobService.method.getImage, async function* (_request, { signal }) {
      kept = new WeakRef(signal);
      yield piece(1);
    });
  const { signal: stopping } = new AbortController();
  const port = await openRpcPort({ routes, fast: true, log: createLog("silent"), stopping });
  onTestFinished(() => port.drain(0));
  await all((await ask(`http://127.0.0.1:${port.address.port}`, ways[0])).body);
  const isGone = () => {
    collectGarbage();
    return kept?.deref() === undefined;
  };
  await vi.waitUntil(isGone, { timeout: 20_000 });
});

type Way = (typeof ways)[number];
type Fields = Record<string, unknown>;

/** Sends a request whose answer nobody reads yet. */
async function ask(url: string, way: Way, headers: Record<string, string> = {}, message: Uint8Array = Buffer.alloc(5)) {
  if (way.http === 1) {
    const outgoing = request(url + path, { method: "POST", headers: { "content-type": way.type, ...headers } });
    const [response] = await once(outgoing.end(message), "response");
    return { header: response.headers as Fields, body: { stream: response, trailers: () => ({}) as Fields } };
  }
  const session = connect(url);
  onTestFinished(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": way.type,
    te: "trailers",
    ...headers,
  });
  stream.end(message);
  let trailers: Fields = {};
  stream.once("trailers", (received) => {
    trailers = received;
  });
  const [header] = await once(stream, "response");
  return { header: header as Fields, body: { stream, trailers: () => trailers } };
}

interface Envelope {
  readonly flags: number;
  readonly data: Buffer;
}

/** Reads an answer to its end, and says how it went. */
async function all({ stream, trailers }: Awaited<ReturnType<typeof ask>>["body"]) {
  const bytes = await buffer(stream);
  const envelopes: Envelope[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    envelopes.push({ flags: bytes[at] ?? 0, data: bytes.subarray(at + 5, end) });
    at = end;
  }
  const messages = envelopes.filter(({ flags }) => flags < 2);
  return { envelopes, messages, end: endOf(envelopes.at(-1), trailers()) };
}

function endOf(last: Envelope | undefined, trailers: Fields): { code: number; message: string } {
  if (last?.flags === 0x02) {
    const { error } = JSON.parse(last.data.toString());
    return error === undefined ? ok : { code: codes.get(error.code) ?? -1, message: error.message };
  }
  const lines = (last?.flags ?? 0) & 0x80 ? (last?.data.toString() ?? "").split("\r\n") : [];
  const fields = { ...trailers, ...Object.fromEntries(lines.map((line) => line.split(": "))) };
  return { code: Number(fields["grpc-status"]), message: decodeURIComponent(String(fields["grpc-message"] ?? "")) };
}

const codes = new Map(
  Object.entries(Code).map(([name, code]) => [name.replace(/(?<=.)[A-Z]/g, "_$&").toLowerCase(), Number(code)]),
);
