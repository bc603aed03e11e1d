import type { IncomingMessage, ServerResponse } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import { pathOf } from "../../model/path.ts";
import { isGrpc, sendTrailersOnly, trailersOnly } from "./trailers-only.ts";

const procedurePath = /^\/[a-z][\w.]*\.[A-Z]\w*\/\w+$/;
const longestName = 200;

/** Whether the request is for a procedure, known or not. A gRPC request is for nothing else, whatever its path. */
export function isProcedure({ url = "", headers }: IncomingMessage): boolean {
  return procedurePath.test(pathOf(url)) || isGrpc(headers["content-type"] ?? "");
}

/** Says `unimplemented` in the caller's protocol. */
export function answerUnknownProcedure({ url = "", headers }: IncomingMessage, response: ServerResponse): void {
  const message = `there is no procedure ${pathOf(url).slice(1, longestName)}`;
  const type = headers["content-type"] ?? "";
  if (isGrpc(type)) {
    sendTrailersOnly(response, type, trailersOnly(new ConnectError(message, Code.Unimplemented)));
  } else {
    response.writeHead(404, { "content-type": "application/json" });
    response.end(JSON.stringify({ code: "unimplemented", message }));
  }
}
