import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";

const malformed = new ConnectError("message: must be base64url, as base64=1 says of it", Code.InvalidArgument);

/** Refuses a GET whose query's message cannot be decoded, which Connect takes for a fault of ours. */
export function assertDecodable({ requestMethod, url }: HandlerContext): void {
  if (requestMethod !== "GET") return;
  const query = new URL(url).searchParams;
  if (query.get("base64") !== "1") return;
  try {
    base64Decode(query.get("message") ?? "");
  } catch {
    throw malformed;
  }
}
