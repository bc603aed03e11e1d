import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:http2";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/health/v1/health_pb.ts";
import { recordingLog } from "../support/log.ts";
import { openRpcPort } from "../support/rpc-port.ts";
import { exchange, requestHttp2 } from "../support/wire.ts";

const messageMax = 200;
const MiB = 1024 * 1024;
const path = "/grpc.health.v1.Health/Check";
const headerBytes = 3;
/** A message of as many bytes in protobuf's binary format: a field's number, its length in two bytes, its text. */
const binary = (size: number) =>
  Buffer.concat([
    Buffer.of(0x0a, 0x80 | ((size - headerBytes) & 0x7f), (size - headerBytes) >> 7),
    Buffer.alloc(size - headerBytes, "x"),
  ]);
const json = (size: number) => Buffer.from(JSON.stringify({ service: "x".repeat(size - '{"service":""}'.length) }));
const inEnvelope = (message: Uint8Array) => Buffer.from(encodeEnvelope(0, message));

describe.each([
  ["the fast path", true],
  ["connect-node's own path", false],
])("%s", (_what, fast) => {
  async function open(max = messageMax) {
    const seen: number[] = [];
    const log = recordingLog();
    const health = {
      check({ service }: { service: string }) {
        seen.push(service.length);
        return { status: Status.SERVING };
      },
    };
    const routes = (router: { service: CallableFunction }) => void router.service(Health, health);
    const port = await openRpcPort({ routes, fast, log, messageMax: max });
    onTestFinished(() => port.drain(0));
    return { url: `http://127.0.0.1:${port.address.port}`, seen, log };
  }

  describe.each([
    ["application/proto", binary],
    ["application/json", json],
    ["application/grpc-web+proto", (size: number) => inEnvelope(binary(size))],
    ["application/grpc-web+json", (size: number) => inEnvelope(json(size))],
  ])("%s", (type, body) => {
    test.each([[1], [7], [150]])("takes a body in pieces of %i bytes, up to the limit and no further", async (step) => {
      const { url, seen } = await open();
      async function send(size: number): Promise<string> {
        const headers = { "content-type": type, "transfer-encoding": "chunked" };
        const outgoing = request(url + path, { method: "POST", headers });
        const bytes = body(size);
        for (let at = 0; at < bytes.length; at += step) outgoing.write(bytes.subarray(at, at + step));
        const [response] = await once(outgoing.end(), "response");
        return response.headers["grpc-message"] ?? text(response);
      }
      await send(messageMax);
      expect(seen).toHaveLength(1);
      expect(await send(messageMax + 1)).toMatch(/resource_exhausted|grpc-status: 8/);
      expect(seen).toHaveLength(1);
    });
  });

  test("is not deceived by what is compressed", async () => {
    const { url, seen } = await open();
    const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", "grpc-encoding": "gzip" };
    const call = (message: Uint8Array) =>
      requestHttp2(url, { ...headers, te: "trailers" }, encodeEnvelope(1, gzipSync(message)));
    expect((await call(binary(messageMax))).trailers["grpc-status"]).toBe("0");
    expect((await call(binary(messageMax + 1))).trailers["grpc-status"]).toBe("8");
    expect(seen).toHaveLength(1);
  });

  test("takes bodies that say their length, one behind the other, and refuses only what is too large", async () => {
    const { url, seen } = await open();
    const post = (body: Buffer, connection = "keep-alive") =>
      `POST ${path} HTTP/1.1\r\nhost: a\r\nconnection: ${connection}\r\ncontent-type: application/json\r\n` +
      `content-length: ${body.length}\r\n\r\n${body}`;
    const sizes = [20, messageMax, messageMax + 1, 30];
    const requests = [...sizes.map((size) => post(json(size))), post(Buffer.alloc(0)), post(json(40), "close")];
    const answers = await exchange(url, requests.join(""));
    const statuses = [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
    expect(statuses).toEqual([200, 200, 429, 200, 400, 200]);
    const textOf = (size: number) => size - '{"service":""}'.length;
    expect(seen).toEqual([20, messageMax, 30, 40].map(textOf));
  });

  test("calls nobody for a body that its sender leaves half sent", async () => {
    const { url, seen, log } = await open();
    const bytes = json(100);
    const left = request(url + path, { method: "POST", headers: { "content-type": "application/json" } });
    left.on("error", () => {});
    left.write(bytes.subarray(0, 50), () => left.destroy());
    const session = connect(url);
    const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/json" });
    stream.write(bytes.subarray(0, 50), () => stream.close());
    await vi.waitFor(() => expect(log.lines.filter(({ message }) => message === "request")).toHaveLength(2));
    session.close();
    expect(seen).toEqual([]);
    expect(log.lines.filter(({ level }) => level === "error")).toEqual([]);
  });

  test("refuses what follows a message before it ends, if it ever does", async () => {
    const { url, seen } = await open();
    const session = connect(url);
    onTestFinished(() => session.destroy());
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.write(Buffer.concat([inEnvelope(binary(150)), Buffer.alloc(2 * messageMax, "x")]));
    const [trailers] = await once(stream.resume(), "trailers");
    expect(trailers["grpc-message"]).toMatch(/extra|larger/);
    expect(seen).toEqual([]);
  });

  if (fast) {
    /** Bytes of each room that is made for a body. */
    function watchRooms(): number[] {
      const spy = vi.spyOn(Buffer, "allocUnsafeSlow");
      onTestFinished(() => spy.mockRestore());
      return spy.mock.calls as unknown as number[];
    }

    test("keeps nothing of what comes after too much", async () => {
      const { url } = await open();
      const rooms = watchRooms();
      const outgoing = request(url + path, { method: "POST", headers: { "content-type": "application/json" } });
      onTestFinished(() => void outgoing.on("error", () => {}).destroy());
      outgoing.write(json(messageMax + 1));
      await once(outgoing, "response");
      const piece = Buffer.alloc(64 * 1024);
      for (let count = 0; count < 100; count += 1)
        await new Promise<void>((resolve) => outgoing.write(piece, () => resolve()));
      expect(rooms.flat().filter((size) => size > 4 * messageMax)).toEqual([]);
    });

    test("makes no more room than a body that begins may need soon, whatever it promises", async () => {
      const { url } = await open(64 * MiB);
      const rooms = watchRooms();
      const headers = { "content-type": "application/json", "content-length": 32 * MiB };
      const outgoing = request(url + path, { method: "POST", headers });
      onTestFinished(() => void outgoing.on("error", () => {}).destroy());
      const piece = Buffer.alloc(1024);
      await vi.waitFor(() => {
        outgoing.write(piece);
        expect(rooms).not.toEqual([]);
      });
      expect(Math.max(...rooms.flat())).toBeLessThan(2 * MiB);
    });
  }

  test.each([["a:99999"], ["256.256.256.256"], ["a b"], [""]])("takes no call for the host %o", async (host) => {
    const { url, seen } = await open();
    const headers = "content-type: application/json\r\ncontent-length: 2\r\nconnection: close";
    const answer = await exchange(url, `POST ${path} HTTP/1.1\r\nhost: ${host}\r\n${headers}\r\n\r\n{}`);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(seen).toEqual([]);
  });
});
