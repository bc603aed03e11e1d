import { create, type DescMethodUnary, type DescService, type Message } from "@bufbuild/protobuf";
import type { ContextValues, HandlerContext, Interceptor, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import type { UnaryContext } from "./context.ts";
import type { UnarySpec } from "./procedures.ts";

export type Invoke = (input: Message, context: UnaryContext) => Promise<Response>;

/** The implementation behind the interceptors, wrapped once for all calls. */
export function intercept({ impl, method }: UnarySpec, interceptors: readonly Interceptor[]): Invoke {
  let next = async (request: Request): Promise<Response> => {
    const output = await impl(request.message, request.changed ? merged(request) : request.context);
    return new Response(request.context, create(method.output, output));
  };
  for (const interceptor of interceptors.toReversed()) {
    const inner = next;
    const outer = interceptor((request) => inner(whole(request as UnaryRequest, Request)));
    next = async (request) => whole((await outer(request)) as UnaryResponse, Response);
  }
  return (input, context) => next(new Request(context, input));
}

/** What the interceptors left of the answer's headers. */
export function adopt(response: Response, context: UnaryContext): Message {
  if (response.changed) {
    replace(context.responseHeader, response.header);
    replace(context.responseTrailer, response.trailer);
  }
  return response.message;
}

/** What interceptors see, built only when it is read, by getters of the class. */
class Call {
  readonly stream = false;
  /** Whether an interceptor made it. */
  readonly changed: boolean = false;
  readonly context: UnaryContext;
  readonly message: Message;
  readonly method: DescMethodUnary;
  readonly service: DescService;

  constructor(context: UnaryContext, message: Message) {
    this.context = context;
    this.message = message;
    this.method = context.method;
    this.service = context.service;
  }
}

class Request extends Call implements UnaryRequest {
  readonly requestMethod = "POST";
  readonly contextValues: ContextValues;

  constructor(context: UnaryContext, message: Message) {
    super(context, message);
    this.contextValues = context.values;
  }

  get header(): Headers {
    return this.context.requestHeader;
  }

  get signal(): AbortSignal {
    return this.context.signal;
  }

  get url(): string {
    return this.context.url;
  }
}

class Response extends Call implements UnaryResponse {
  get header(): Headers {
    return this.context.responseHeader;
  }

  get trailer(): Headers {
    return this.context.responseTrailer;
  }
}

/** Gives the getters to what an interceptor made by a spread, which loses them. */
function whole<T extends object>(made: object, type: { prototype: T }): T {
  if (Object.getPrototypeOf(made) === type.prototype) return made as T;
  return Object.setPrototypeOf({ ...made, changed: true }, type.prototype);
}

function merged({ context, service, header, signal, contextValues }: Request): HandlerContext {
  const { method, protocolName, requestMethod, timeoutMs, responseHeader, responseTrailer, url } = context;
  const same = { method, protocolName, requestMethod, timeoutMs, responseHeader, responseTrailer, url };
  return { ...same, service, requestHeader: header, signal, values: contextValues };
}

function replace(old: Headers, by: Headers): void {
  if (old === by) return;
  for (const name of [...old.keys()]) old.delete(name);
  by.forEach((value, name) => void old.append(name, value));
}
