import type { DescMethod } from "@bufbuild/protobuf";
import {
  Code,
  type ConnectError,
  type ContextValues,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import type { Admission } from "../core/admission/admission.ts";
import { chain, chainOr, type MaybePromise } from "../helpers/maybe-promise.ts";
import type { Log } from "../ports/log.ts";
import { callKey, callOf } from "./call.ts";
import { toConnectError } from "./errors.ts";

/** Decides who may call before a byte of the body is read. */
export function createGate(admission: Admission, log: Log): (context: HandlerContext) => MaybePromise<void> {
  return (context) => {
    const call = callOf(context);
    return chainOr<void, never>(
      () => {
        const admitted = admission.admit(operationOf(context.method), call);
        const { bodyRoom } = call;
        return bodyRoom === undefined ? admitted : chain(admitted, () => bodyRoom.take());
      },
      (error) => {
        throw failed(error, context.values, log);
      },
    );
  };
}

/** Admits a call once more when its body has come: a stream's has with the response, whose messages are made as they are read. */
export function readmission(admission: Admission): Interceptor {
  return (next) => (request) => {
    const call = request.contextValues.get(callKey);
    if (call === undefined) return next(request);
    if (request.stream) return next(request).then((response) => chain(admission.readmit(call), () => response));
    const readmitted = admission.readmit(call);
    return readmitted === undefined ? next(request) : readmitted.then(() => next(request));
  };
}

const operations = new WeakMap<DescMethod, string>();

/** A procedure's name in the access table; the same text each time, so that looking it up takes no time. */
function operationOf(method: DescMethod): string {
  const known = operations.get(method) ?? `${method.parent.typeName}/${method.name}`;
  operations.set(method, known);
  return known;
}

/** The error for the wire. Its code is also the call's outcome in the log. */
export function failed(error: unknown, values: ContextValues, log: Log): ConnectError {
  const call = values.get(callKey);
  const wire = toConnectError(error, log, call?.requestId ?? "");
  if (call !== undefined) call.outcome = Code[wire.code];
  return wire;
}

/** Turns every error of a handler into one for the wire, also while a stream is being read. */
export function errorInterceptor(log: Log): Interceptor {
  async function* guarded<T>(messages: AsyncIterable<T>, values: ContextValues): AsyncGenerator<T> {
    try {
      yield* messages;
    } catch (error) {
      throw failed(error, values, log);
    }
  }
  return (next) => (request) => {
    const { contextValues } = request;
    return next(request).then(
      (response) => (response.stream ? { ...response, message: guarded(response.message, contextValues) } : response),
      (error) => {
        throw failed(error, contextValues, log);
      },
    );
  };
}
