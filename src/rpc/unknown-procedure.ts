import type { IncomingMessage, ServerResponse } from "node:http";
import { Code } from "@connectrpc/connect";

const procedurePath = /^\/[a-z][\w.]*\.[A-Z]\w*\/\w+$/;
const longestName = 200;

/** Says `unimplemented` in the caller's protocol; false when the request asks for no procedure at all. */
export function answerUnknownProcedure(request: IncomingMessage, response: ServerResponse): boolean {
  const path = request.url?.split("?", 1)[0] ?? "";
  if (!procedurePath.test(path)) return false;
  const message = `there is no procedure ${path.slice(1, longestName)}`;
  const type = request.headers["content-type"] ?? "";
  if (type.startsWith("application/grpc")) {
    response.writeHead(200, {
      "content-type": type,
      "grpc-status": String(Code.Unimplemented),
      "grpc-message": message,
    });
    response.end();
  } else {
    response.writeHead(404, { "content-type": "application/json" });
    response.end(JSON.stringify({ code: "unimplemented", message }));
  }
  return true;
}
