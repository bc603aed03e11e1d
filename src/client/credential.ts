import type { DescMessage, DescMethod } from "@bufbuild/protobuf";
import type { Interceptor, StreamRequest, StreamResponse, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { isCredentialRefused } from "./errors.ts";

export interface CredentialSource {
  /** What to send; undefined when nobody is signed in. */
  accessToken(): Promise<string | undefined>;
  /** What to send in place of what the server refused; undefined when there is nothing else. */
  replace(refused: string): Promise<string | undefined>;
}

type Next = Parameters<Interceptor>[0];

const { method } = AuthService;
/** The calls that anybody may make: an old credential would only be in the way. */
export const openCalls: readonly DescMethod[] = [
  method.confirmEmailChange,
  method.exchangeApiKey,
  method.login,
  method.refreshToken,
  method.requestPasswordReset,
  method.resetPassword,
  method.signUp,
  method.validate,
];

/** Sends the credential with every call that needs one and brings none, and calls again with another if it is refused. */
export function withCredential(source: CredentialSource): Interceptor {
  return (next) => async (request) => {
    if (openCalls.includes(request.method) || request.header.has("authorization")) return next(request);
    const token = await source.accessToken();
    if (token === undefined) return next(request);
    const send = await repeatable(request, next);
    return send(token).catch(async (error: unknown) => {
      const other = isCredentialRefused(error) ? await source.replace(token) : undefined;
      if (other === undefined) throw error;
      return send(other);
    });
  };
}

/** A function that makes the call, and can be called twice. */
async function repeatable(
  request: UnaryRequest | StreamRequest,
  next: Next,
): Promise<(token: string) => Promise<UnaryResponse | StreamResponse>> {
  const authorise = (token: string) => request.header.set("authorization", `Bearer ${token}`);
  if (!request.stream) {
    return (token) => {
      authorise(token);
      return next(request);
    };
  }
  const messages = await collect(request.message);
  return async (token) => {
    authorise(token);
    const response = await next({ ...request, message: iterate(messages) });
    return response.stream ? begun(response) : response;
  };
}

/** Waits for the first message: only then is it known that the call was not refused. */
async function begun(response: StreamResponse): Promise<StreamResponse> {
  const messages = response.message[Symbol.asyncIterator]();
  const first = await messages.next();
  return { ...response, message: resumed(first, messages) };
}

type Message = StreamResponse<DescMessage, DescMessage>["message"] extends AsyncIterable<infer M> ? M : never;

async function* resumed(first: IteratorResult<Message>, rest: AsyncIterator<Message>): AsyncGenerator<Message> {
  for (let result = first; !result.done; result = await rest.next()) yield result.value;
}

/** The service has no call whose caller streams: there is one message. */
async function collect<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const message of messages) collected.push(message);
  return collected;
}

async function* iterate<T>(messages: readonly T[]): AsyncGenerator<T> {
  yield* messages;
}
