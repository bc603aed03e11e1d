import { createServer, type ServerHttp2Stream } from "node:http2";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { frame } from "../support/calls.ts";
import { echo } from "../support/echo.ts";
import { listen } from "../support/listen.ts";

/** The least that Node's HTTP/2 needs for a gRPC echo: a message decoded and encoded, trailers, and nothing else. */

const headBytes = 5;

function answer(stream: ServerHttp2Stream): void {
  const pieces: Buffer[] = [];
  stream.on("data", (piece: Buffer) => pieces.push(piece));
  stream.on("end", () => {
    const message = fromBinary(echo.input, Buffer.concat(pieces).subarray(headBytes));
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.write(frame(0, Buffer.from(toBinary(echo.output, message))), () => stream.end());
  });
}

const server = createServer().on("stream", answer);
listen(server);
