import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import bcrypt from "bcrypt";
import { listen } from "../support/listen.ts";

/**
 * The least that bare Node does for logins, for uploads and for those who call meanwhile: a hash of the same cost, a file
 * that is synced, an answer. Arguments: a directory, whom to name in the answer.
 */

const [directory = "", username = ""] = process.argv.slice(2);
const cost = 12;
const hash = bcrypt.hashSync("a password", cost);

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { url } = request;
  if (url === "/images") {
    await pipeline(request, createWriteStream(join(directory, randomUUID()), { flush: true }));
    return respond(response, 201, { uuid: "" });
  }
  request.resume();
  if (url?.endsWith("/Login")) await bcrypt.compare("another password", hash);
  respond(response, 200, { username });
}

function respond(response: ServerResponse, status: number, body: object): void {
  const json = JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(json) });
  response.end(json);
}

const server = createServer((request, response) => void answer(request, response));
// Callers pause for longer than Node would keep their connections.
server.keepAliveTimeout = 0;
listen(server);
