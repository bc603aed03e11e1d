import { Code, type ConnectError, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import type { Admission } from "../core/admission.ts";
import type { Log } from "../ports/log.ts";
import { callKey, callOf } from "./call.ts";
import { toConnectError } from "./errors.ts";

/** Decides who may call before a byte of the body is read. */
export function createGate(admission: Admission, log: Log): (context: HandlerContext) => Promise<void> {
  return async (context) => {
    const call = callOf(context);
    const procedure = `${context.service.typeName}/${context.method.name}`;
    try {
      await admission.admit(procedure, call);
    } catch (error) {
      const wire = toConnectError(error, log, call.requestId);
      call.outcome = Code[wire.code];
      throw wire;
    }
  };
}

/** Gives every error of a handler its place on the wire, those of a stream that is being read too. */
export function errorInterceptor(log: Log): Interceptor {
  return (next) => async (request) => {
    const call = request.contextValues.get(callKey);
    const failed = (error: unknown): ConnectError => {
      const wire = toConnectError(error, log, call?.requestId ?? "");
      if (call !== undefined) call.outcome = Code[wire.code];
      return wire;
    };
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: guarded(response.message, failed) } : response;
    } catch (error) {
      throw failed(error);
    }
  };
}

async function* guarded<T>(messages: AsyncIterable<T>, failed: (error: unknown) => ConnectError): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw failed(error);
  }
}
