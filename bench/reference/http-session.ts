import { createServer } from "node:http";
import { listen } from "../support/listen.ts";

/**
 * The least that `GET /session/validate` or `/api/check_auth` do on bare Node: read one header, answer with JSON.
 * Argument: whose it is.
 */

const [, , user] = process.argv;
const token = /(?:^|; )session=([^;]+)/;

const server = createServer(({ headers, url }, response) => {
  const session = url === "/session/validate";
  const given = session ? token.exec(headers.cookie ?? "")?.[1] : headers.authorization;
  const body = JSON.stringify(session ? { valid: given !== undefined, user } : { client_id: user });
  response.writeHead(given === undefined ? 401 : 200, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
});
listen(server);
