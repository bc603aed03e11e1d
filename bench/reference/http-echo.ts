import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { createAccessLog } from "../support/access-log.ts";
import { listen } from "../support/listen.ts";

/**
 * The least that a JSON API on bare Node does: reads a JSON body, answers with it. Arguments: `1` or `2`, which HTTP;
 * `log` for an access log.
 */

const [, , version, logging] = process.argv;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

function echo(request: IncomingMessage, answer: (body: string) => void): void {
  const pieces: Buffer[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => answer(JSON.stringify(JSON.parse(Buffer.concat(pieces).toString()))));
}

const plain: Handler = (request, response) =>
  echo(request, (body) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
    response.end(body);
  });

function logged(): Handler {
  const log = createAccessLog();
  return (request, response) => {
    const started = performance.now();
    const request_id = randomUUID();
    echo(request, (body) => {
      response.writeHead(200, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        "x-request-id": request_id,
      });
      response.end(body);
      const { method, url: path, httpVersion: http, socket } = request;
      log({ request_id, method, path, http, address: socket.remoteAddress }, started);
    });
  };
}

const answer = logging === "log" ? logged() : plain;
const server = version === "2" ? createHttp2Server(answer as never) : createServer(answer);
listen(server);
