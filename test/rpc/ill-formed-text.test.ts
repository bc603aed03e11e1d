import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { describe, expect, onTestFinished, test } from "vitest";
import { Health } from "../../gen/health/v1/health_pb.ts";
import { recordingLog } from "../support/log.ts";
import { openRpcPort } from "../support/rpc-port.ts";
import { requestHttp2 } from "../support/wire.ts";

const messageOf = (json: string) => encodeEnvelope(0, Buffer.from(json));
const key = "€".repeat(9000);
/** What quotes these cannot stand in gRPC's trailers as it is: half a surrogate pair is no text, the other is too long. */
const quoted = [
  { what: "half a surrogate pair", text: "\ud800x", sent: messageOf('"\\ud800x"') },
  { what: "a long key, twice", text: key, sent: messageOf(`{"${key}":0,"${key}":0}`) },
];
const statusLine = /grpc-status: (\d+)/;

/** The adapter has what the fast path leaves to it, such as types in other spellings. */
describe.each([
  ["the fast path", true, ["application/grpc-web+json", "application/grpc+json"]],
  ["what it leaves to the adapter", true, ["Application/grpc-web+json", "Application/grpc+json"]],
  ["the adapter alone", false, ["application/grpc-web+json", "application/grpc+json"]],
])("what cannot be quoted, by %s", (_what, fast, types) => {
  async function open(fail: () => void = () => {}) {
    const log = recordingLog();
    const check = () => {
      fail();
      return {};
    };
    const port = await openRpcPort({ routes: (router) => void router.service(Health, { check }), fast, log });
    onTestFinished(() => port.drain(0));
    const errors = () => log.lines.filter(({ level }) => level === "error");
    return { url: `http://127.0.0.1:${port.address.port}`, errors };
  }

  async function statusOf(url: string, type: string, sent: Uint8Array): Promise<Code> {
    const headers = { ":method": "POST", ":path": "/grpc.health.v1.Health/Check", "content-type": type };
    const answer = await requestHttp2(url, headers, sent);
    const status =
      answer.trailers["grpc-status"] ?? answer.headers["grpc-status"] ?? statusLine.exec(String(answer.body))?.[1];
    return Number(status);
  }

  describe.each(quoted)("$what", ({ text, sent }) => {
    test.each(types)("in a message is the caller's fault: %s", async (type) => {
      const { url, errors } = await open();
      expect(Code[await statusOf(url, type, sent)]).toBe("InvalidArgument");
      expect(errors()).toEqual([]);
    });

    test.each(types)("in what a handler says of it is told: %s", async (type) => {
      const { url, errors } = await open(() => {
        throw new ConnectError(`there is no ${text}`, Code.NotFound);
      });
      expect(Code[await statusOf(url, type, messageOf("{}"))]).toBe("NotFound");
      expect(errors()).toEqual([]);
    });
  });
});
