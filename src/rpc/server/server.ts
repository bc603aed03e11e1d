import type { IncomingMessage, ServerResponse } from "node:http";
import {
  type ConnectRouter,
  type ContextValues,
  cors,
  createContextValues,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import type { Call } from "../../model/call.ts";
import { DomainError } from "../../model/errors.ts";
import type { Log } from "../../ports/log.ts";
import { callKey } from "../call.ts";
import { createFastHandler } from "../fast/handler.ts";
import { failed } from "../gate.ts";
import { createAdapter } from "./adapter.ts";
import { compressionsOf } from "./compression.ts";
import { createRefuse } from "./refuse.ts";
import { answerUnknownProcedure, isProcedure } from "./unknown-procedure.ts";

/** The headers that browsers must be allowed to read, for the three protocols to work across origins. */
export const exposedHeaders: readonly string[] = cors.exposedHeaders;

/** What is served, and on which terms. */
export interface Rpc {
  /** Adds each procedure with its implementation and its own options, to each router that asks. */
  readonly routes: (router: ConnectRouter) => void;
  /** Decides who may call before a byte of the body is read. */
  readonly gate: (context: HandlerContext) => void | Promise<void>;
  readonly interceptors: readonly Interceptor[];
  /** Bytes of a request's message, after decompression, unless a procedure's options say otherwise. */
  readonly messageMax: number;
  /** The longest timeout a caller may ask for. */
  readonly timeoutMaxMs: number;
}

export interface RpcServerOptions {
  /** Ends what waits: watches, long polls and reflection. */
  readonly stopping: AbortSignal;
  /** Whether unary calls and server streams take the fast path. */
  readonly fast: boolean;
  readonly log: Log;
}

/** Answers a request; false when it is no RPC. */
export type RpcHandler = (request: IncomingMessage, response: ServerResponse, call: Call) => boolean;

/** gRPC, gRPC-Web and Connect, over HTTP/1.1 and HTTP/2. */
export function createRpcServer(rpc: Rpc, { stopping, fast, log }: RpcServerOptions): RpcHandler {
  // createContextValues() makes three functions for each object. One whose prototype is an empty set of values shares
  // them, and keeps its entries to itself.
  const none = createContextValues();
  const valuesOf = (call: Call) => (Object.create(none) as ContextValues).set(callKey, call);
  const options = {
    requestGate: rpc.gate,
    interceptors: [...rpc.interceptors],
    readMaxBytes: rpc.messageMax,
    maxTimeoutMs: rpc.timeoutMaxMs,
    // Protobuf would keep unknown fields: an object of 150 bytes for each field of two bytes.
    binaryOptions: { readUnknownFields: false },
    shutdownSignal: stopping,
    acceptCompression: compressionsOf(),
  };
  const refuse = createRefuse(log);
  const onFault = (response: ServerResponse, error: unknown) => {
    response.destroy();
    log.error({ err: error }, "an answer could not be written");
  };
  const toWire = (error: unknown, values: ContextValues) => failed(error, values, log);
  const answerFast = fast ? createFastHandler(rpc.routes, options, { toWire, onFault }) : () => false;
  const answerByAdapter = createAdapter(rpc.routes, options, onFault);

  return (request, response, call) => {
    if (!isProcedure(request)) return false;
    // A cache may keep it otherwise: it does not know that a key in `X-API-Key` is a credential.
    if (request.method === "GET") call.setHeader("cache-control", "no-store");
    if (call.refusal instanceof DomainError) {
      refuse(request, response, call.refusal);
      return true;
    }
    const values = valuesOf(call);
    if (!answerFast(request, response, values) && !answerByAdapter(request, response, values))
      answerUnknownProcedure(request, response);
    return true;
  };
}
