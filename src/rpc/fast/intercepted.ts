import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { ContextValues, HandlerContext } from "@connectrpc/connect";
import type { CallContext } from "./context.ts";

/** What interceptors see, built only when it is read, by getters of the class. T is a message, or all of a stream's. */
class Intercepted<T> {
  readonly stream: boolean;
  /** Whether an interceptor made it. */
  readonly changed: boolean = false;
  readonly context: CallContext;
  readonly message: T;
  readonly method: DescMethod;
  readonly service: DescService;

  constructor(context: CallContext, message: T) {
    this.context = context;
    this.message = message;
    this.method = context.method;
    this.service = context.service;
    this.stream = context.method.methodKind !== "unary";
  }
}

export class Request<T> extends Intercepted<T> {
  readonly requestMethod = "POST";
  readonly contextValues: ContextValues;

  constructor(context: CallContext, message: T) {
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

  /** The call's context, with what interceptors changed. */
  get seen(): HandlerContext {
    return this.changed ? merged(this) : this.context;
  }
}

export class Response<T> extends Intercepted<T> {
  get header(): Headers {
    return this.context.responseHeader;
  }

  get trailer(): Headers {
    return this.context.responseTrailer;
  }
}

/** A response as an interceptor left it. */
export type Made<T> = Pick<Response<T>, "message">;

/** Gives the call the answer's headers and trailers as the interceptors left them. */
export function adopt(made: Made<unknown>, context: CallContext): void {
  const response = whole(made, Response);
  // Reading the headers of a response that nobody changed would build them.
  if (!response.changed) return;
  replace(context.responseHeader, response.header);
  replace(context.responseTrailer, response.trailer);
}

function replace(old: Headers, by: Headers): void {
  if (old === by) return;
  for (const name of [...old.keys()]) old.delete(name);
  by.forEach((value, name) => void old.append(name, value));
}

/** Gives the getters to what an interceptor made by a spread, which loses them. */
export function whole<T extends object>(made: object, type: { readonly prototype: T }): T {
  if (Object.getPrototypeOf(made) === type.prototype) return made as T;
  return Object.setPrototypeOf({ ...made, changed: true }, type.prototype);
}

function merged({ context, service, header, signal, contextValues }: Request<unknown>): HandlerContext {
  const { method, protocolName, requestMethod, timeoutMs, responseHeader, responseTrailer, url } = context;
  const same = { method, protocolName, requestMethod, timeoutMs, responseHeader, responseTrailer, url };
  return { ...same, service, requestHeader: header, signal, values: contextValues };
}
