import type { IncomingMessage, ServerResponse } from "node:http";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  type ContextValues,
  createConnectRouter,
} from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { chain } from "../../helpers/maybe-promise.ts";
import { pathOf } from "../../model/path.ts";
import { quotable } from "../errors.ts";
import { assertDecodable, type ReadOptions, streamFaults } from "./callers-faults.ts";
import { explained } from "./explained-refusals.ts";
import { sendError } from "./refuse.ts";

/** Answers a call; false when there is no such procedure. */
export type Adapter = (request: IncomingMessage, response: ServerResponse, values: ContextValues) => boolean;

/** A message that quotes half a surrogate pair cannot be written to gRPC's trailers. */
const illFormed = new ConnectError("the message holds half a surrogate pair, which is no text", Code.InvalidArgument);

/**
 * Answers all calls as Connect does. Made of the parts of connect-node's own adapter, which leaves a call open for ever
 * when its answer fails. `onFault` hears of that, and must end it.
 */
export function createAdapter(
  routes: (router: ConnectRouter) => void,
  options: ConnectRouterOptions & ReadOptions,
  onFault: (response: ServerResponse, error: unknown) => void,
): Adapter {
  const gate = options.requestGate;
  const router = createConnectRouter({
    ...options,
    requestGate: (context) => chain(gate?.(context), () => assertDecodable(context, options)),
    interceptors: [streamFaults, ...(options.interceptors ?? [])],
  });
  routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, explained(handler)]));
  return (request, response, values) => {
    const handler = handlers.get(pathOf(request.url));
    if (handler === undefined) return false;
    handler(universalRequestFromNodeRequest(request, response, undefined, values))
      .then((answer) => universalResponseToNodeResponse(quotably(leavable(answer)), response))
      .catch((reason) => {
        const { code, cause } = ConnectError.from(reason);
        // The caller has left.
        if (code === Code.Aborted) return;
        if (cause instanceof URIError && !response.headersSent) sendError(request, response, illFormed);
        else onFault(response, reason);
      });
    return true;
  };
}

/** An answer that cannot be written means that its caller has left. Its source is told so, since that is no fault. */
function leavable(answer: UniversalServerResponse): UniversalServerResponse {
  const source = answer.body?.[Symbol.asyncIterator]();
  const fail = source?.throw?.bind(source);
  if (source === undefined || fail === undefined) return answer;
  source.throw = (reason) => fail(ConnectError.from(reason, Code.Canceled));
  return { ...answer, body: { [Symbol.asyncIterator]: () => source } };
}

/** Connect's own errors, which no interceptor sees, are made quotable in the trailers, which are read when the body is over. */
function quotably(answer: UniversalServerResponse): UniversalServerResponse {
  const { trailer } = answer;
  if (trailer === undefined) return answer;
  return {
    ...answer,
    get trailer() {
      const message = trailer.get("grpc-message");
      if (message !== null) trailer.set("grpc-message", encodeURIComponent(quotable(decodeURIComponent(message))));
      return trailer;
    },
  };
}
