import { once } from "node:events";
import { constants, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { Code, connect } from "../../src/client/index.ts";
import { refusal } from "../support/refusals.ts";

test("a call that a server did not begin, since it was about to stop, is unavailable over gRPC", async () => {
  const server = createServer();
  server.on("stream", (stream) => stream.on("error", () => {}).close(constants.NGHTTP2_REFUSED_STREAM));
  server.listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const { auth, jobs } = connect(`http://127.0.0.1:${port}`);
  for (const call of [auth.validate({ credential: "x" }), jobs.getImage({ imageId: "x" })])
    expect(await refusal(call)).toMatchObject({ code: Code[Code.Unavailable] });
});
