import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { takeExpectations } from "../../src/http/server/expectations.ts";
import { exchange } from "../support/wire.ts";

test("no body is asked for once the answer has begun: the words would be taken for a part of it", async () => {
  const server = createServer();
  onTestFinished(() => void server.close());
  takeExpectations(server, (request, response) => {
    response.flushHeaders();
    request.resume().once("end", () => response.end("answered"));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const fields = ["Host: x", "Content-Length: 2", "Connection: close", "Expect: 100-continue"];
  const answer = await exchange(`http://127.0.0.1:${port}`, `POST / HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n{}`);
  expect(answer).toContain("answered");
  expect(answer).not.toContain("100 Continue");
});
