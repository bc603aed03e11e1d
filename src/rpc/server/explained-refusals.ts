import { createAsyncIterable, type UniversalHandler } from "@connectrpc/connect/protocol";

type Handle = (...input: Parameters<UniversalHandler>) => ReturnType<UniversalHandler>;

const contentTypes = [
  "application/json",
  "application/proto",
  "application/connect+json",
  "application/connect+proto",
  "application/grpc",
  "application/grpc-web",
];

/** The same handler, which says what to do where Connect's own refuses a method or a content type without a word. */
export function explained(handler: UniversalHandler): Handle {
  const methods = handler.allowedMethods.join(", ");
  const types = contentTypes.filter(handler.supportedContentType).join(", ");
  return async (request) => {
    const response = await handler(request);
    if (response.status === 405) return refusal(405, `this is for ${methods}`, { allow: methods });
    if (response.status !== 415) return response;
    return refusal(
      415,
      request.method === "GET" ? "encoding must be json or proto" : `content-type must be of ${types}`,
    );
  };
}

/** A refusal as text: every client makes a code of its status. A code in Connect's own format would be another. */
function refusal(status: number, message: string, header: Record<string, string> = {}) {
  return {
    status,
    header: new Headers({ "content-type": "text/plain", ...header }),
    body: createAsyncIterable([Buffer.from(`${message}\n`)]),
  };
}
