import { create, type Message } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import type { CallContext } from "./context.ts";
import { missingMessage } from "./envelopes.ts";
import { Request, Response, whole } from "./intercepted.ts";
import type { StreamSpec, UnarySpec } from "./procedures.ts";

export type Messages = AsyncIterable<Message>;
/** An implementation behind its interceptors. T is a message, or all of a stream's. */
export type Invoke<T> = (input: T, context: CallContext) => Promise<Response<T>>;
type Next = ReturnType<Interceptor>;
type AnyRequest = Parameters<Next>[0];

export function interceptUnary({ impl, method }: UnarySpec, interceptors: readonly Interceptor[]): Invoke<Message> {
  return intercept(
    interceptors,
    async ({ context, message, seen }) => new Response(context, create(method.output, await impl(message, seen))),
  );
}

export function interceptStream({ impl, method }: StreamSpec, interceptors: readonly Interceptor[]): Invoke<Messages> {
  async function* complete(outputs: ReturnType<typeof impl>): Messages {
    for await (const output of outputs) yield create(method.output, output);
  }
  return intercept(
    interceptors,
    async ({ context, message, seen }) => new Response(context, complete(impl(await only(message), seen))),
  );
}

/** Wrapped once for all calls. */
function intercept<T>(
  interceptors: readonly Interceptor[],
  last: (request: Request<T>) => Promise<Response<T>>,
): Invoke<T> {
  const wholeResponse = (made: object) => whole<Response<T>>(made, Response);
  let next = last;
  for (const interceptor of interceptors.toReversed()) {
    const inner = next;
    const outer = interceptor(((request) => inner(whole(request, Request))) as Next);
    next = (request) => outer(request as object as AnyRequest).then(wholeResponse);
  }
  return (input, context) => next(new Request(context, input));
}

/** The body was found to hold no more. */
async function only(messages: Messages): Promise<Message> {
  for await (const message of messages) return message;
  throw missingMessage();
}
