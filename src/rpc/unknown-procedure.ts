import type { IncomingMessage, ServerResponse } from "node:http";
import { Code } from "@connectrpc/connect";

const procedurePath = /^\/[a-z][\w.]*\.[A-Z]\w*\/\w+$/;
const longestName = 200;

/** Whether the request asks for one, there or not. */
export function isProcedure({ url = "" }: IncomingMessage): boolean {
  return procedurePath.test(pathOf(url));
}

/** Says `unimplemented` in the caller's protocol. */
export function answerUnknownProcedure(request: IncomingMessage, response: ServerResponse): void {
  const message = `there is no procedure ${pathOf(request.url ?? "").slice(1, longestName)}`;
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
}

function pathOf(url: string): string {
  const query = url.indexOf("?");
  return query === -1 ? url : url.slice(0, query);
}
