import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** The least that a download does on bare Node: sends a file. Argument: which. */

const [path = ""] = process.argv.slice(2);
const { size } = statSync(path);
const server = createServer((_request, response) => {
  response.writeHead(200, { "content-type": "image/png", "content-length": size });
  createReadStream(path).pipe(response);
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`listens on http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
process.on("disconnect", () => process.exit());
