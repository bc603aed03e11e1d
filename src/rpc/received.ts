import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

/** That a call's messages break off is its caller's matter. The fast path knows it by itself: see fast/body.ts. */
export const receivedInterceptor: Interceptor = (next) => (request) =>
  next(request.stream ? { ...request, message: received(request.message) } : request);

async function* received<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (cause) {
    throw ConnectError.from(cause, Code.Canceled);
  }
}
