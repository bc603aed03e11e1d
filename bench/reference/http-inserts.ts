import { createServer, type ServerResponse } from "node:http";
import { openInserts } from "../support/inserts.ts";
import { listen } from "../support/listen.ts";

/**
 * The least that stands between a caller and such an insert: reads a JSON body, answers it with the row once that is
 * durable; rows that wait share a commit, on the main thread, which is the fastest way. Arguments: a directory, the row's
 * text.
 */

const [directory = "", text = ""] = process.argv.slice(2);
const insert = openInserts(directory);
let waiting: { readonly row: string; readonly response: ServerResponse }[] = [];

function commit(): void {
  const group = waiting;
  waiting = [];
  insert(group.map(({ row }) => row));
  for (const { row, response } of group) {
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(row) });
    response.end(row);
  }
}

const server = createServer((request, response) => {
  const pieces: Buffer[] = [];
  request.on("data", (piece: Buffer) => pieces.push(piece));
  request.on("end", () => {
    const row = JSON.stringify({ ...JSON.parse(text), ...JSON.parse(Buffer.concat(pieces).toString()) });
    if (waiting.push({ row, response }) === 1) setImmediate(commit);
  });
});
// Callers pause for longer than Node would keep their connections.
server.keepAliveTimeout = 0;
listen(server);
