import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Admission } from "../../core/admission/admission.ts";
import { chain, chainOr, type MaybePromise } from "../../helpers/maybe-promise.ts";
import type { Call } from "../../model/call.ts";
import { DomainError } from "../../model/errors.ts";
import { retryHeader } from "./refusal.ts";

/** An answer that is made from the request's headers alone. */
interface FastAnswer {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface FastRoute {
  /** Answers a call that may be made. An error that it throws is answered by the same route on Fastify, as a refusal. */
  readonly answer: (headers: IncomingHttpHeaders, call: Call) => MaybePromise<FastAnswer>;
  /** Answers a call that is refused before it is looked at, in the route's own shape. */
  readonly refuse: (error: DomainError, call: Call) => FastAnswer;
  /** Whether a credential may come in `Authorization` without its scheme. */
  readonly bareToken?: boolean;
}

type Handle = (request: IncomingMessage, response: ServerResponse, call: Call) => void;

const json = "application/json; charset=utf-8";
const uncached = { "cache-control": "no-store" };

/**
 * Answers GET of these routes, by URL, without Fastify, which takes longer than the rest of the call: other services ask them
 * before each of their own answers. A call that is refused goes to `slowly`, which knows how each route tells it.
 */
export function withFastRoutes(routes: ReadonlyMap<string, FastRoute>, admission: Admission, slowly: Handle): Handle {
  const served = new Map([...routes].map(([url, route]) => [url, { route, operation: `GET ${url}` }]));
  return (request, response, call) => {
    const { method, url = "", headers } = request;
    const found = method === "GET" ? served.get(url) : undefined;
    if (found === undefined) return slowly(request, response, call);
    const { route, operation } = found;
    if (call.refusal instanceof DomainError) return send(refusal(call.refusal, route, call), response);
    const { authorization, apiKey } = call;
    const credential = { authorization, apiKey, bareToken: route.bareToken };
    const answer = chainOr(
      () => chain(admission.admit(operation, call, credential), () => route.answer(headers, call)),
      (error) => {
        call.refusal = error;
        slowly(request, response, call);
      },
    );
    void chain(answer, (made) => made && send(made, response));
  };
}

function refusal(error: DomainError, { refuse }: FastRoute, call: Call): FastAnswer {
  const answer = refuse(error, call);
  return { ...answer, headers: { ...answer.headers, ...retryHeader(error) } };
}

function send({ status, body, headers }: FastAnswer, response: ServerResponse): void {
  const text = JSON.stringify(body);
  const length = Buffer.byteLength(text);
  response.writeHead(status, { "content-type": json, "content-length": length, ...uncached, ...headers });
  response.end(text);
}
