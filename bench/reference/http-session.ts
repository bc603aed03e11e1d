import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** The least that `GET /session/validate` does on bare Node: reads one cookie, answers with JSON. */

const token = /(?:^|; )session=([^;]+)/;

const server = createServer(({ headers }, response) => {
  const user = token.exec(headers.cookie ?? "")?.[1];
  const body = JSON.stringify(user === undefined ? { valid: false } : { valid: true, user });
  response.writeHead(user === undefined ? 401 : 200, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`listens on http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
process.on("disconnect", () => process.exit());
