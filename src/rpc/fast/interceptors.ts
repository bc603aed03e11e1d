import { create, type Message } from "@bufbuild/protobuf";
import type { createMethodImplSpec, Interceptor } from "@connectrpc/connect";
import type { CallContext } from "./context.ts";
import { missingMessage } from "./envelopes.ts";
import { type Made, Request, Response, whole } from "./intercepted.ts";

export type Spec = ReturnType<typeof createMethodImplSpec>;
type UnarySpec = Extract<Spec, { kind: "unary" }>;
type StreamSpec = Extract<Spec, { kind: "server_streaming" }>;
export type Messages = AsyncIterable<Message>;
/** An implementation behind its interceptors. T is a message, or all of a stream's. */
export type Invoke<T> = (input: T, context: CallContext) => Promise<Made<T>>;
type Next = ReturnType<Interceptor>;

export function interceptUnary({ impl, method }: UnarySpec, interceptors: readonly Interceptor[]): Invoke<Message> {
  return intercept(interceptors, ({ context, message, seen }) =>
    promised(() => impl(message, seen)).then((output) => new Response(context, create(method.output, output))),
  );
}

/** The implementation's own promise where it has one: an async function would make a second, and keep more for it. */
function promised<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return Promise.resolve(work());
  } catch (error) {
    return Promise.reject(error);
  }
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

type Step<T> = (request: Request<T>) => Promise<Made<T>>;

/** Wraps the implementation in its interceptors, once for all calls. */
function intercept<T>(interceptors: readonly Interceptor[], implementation: Step<T>): Invoke<T> {
  const around = (interceptor: Interceptor, inner: Step<T>) =>
    interceptor(((request: object) => inner(whole(request, Request))) as object as Next) as object as Step<T>;
  const mended =
    (step: Step<T>): Step<T> =>
    (request) =>
      step(request).then((made) => whole(made, Response));
  const [innermost, ...others] = interceptors.toReversed();
  let step = innermost === undefined ? implementation : around(innermost, implementation);
  for (const interceptor of others) step = around(interceptor, mended(step));
  return (input, context) => step(new Request(context, input));
}

/** The one message of the stream: the body was found to hold no more. */
async function only(messages: Messages): Promise<Message> {
  for await (const message of messages) return message;
  throw missingMessage();
}
