import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { listen } from "../support/listen.ts";

/** The least that a download does on bare Node: sends a file. Argument: which. */

const [path = ""] = process.argv.slice(2);
const { size } = statSync(path);
const server = createServer((_request, response) => {
  response.writeHead(200, { "content-type": "image/png", "content-length": size });
  createReadStream(path).pipe(response);
});
listen(server);
