import type { Message } from "@bufbuild/protobuf";
import {
  type ConnectRouter,
  type ConnectRouterOptions,
  createMethodImplSpec,
  createServiceImplSpec,
} from "@connectrpc/connect";
import { createMethodUrl, validateUniversalHandlerOptions } from "@connectrpc/connect/protocol";
import type { Described, Options } from "./call.ts";
import { type Codec, codecsOf } from "./codec.ts";
import { type Invoke, interceptStream, interceptUnary, type Messages, type Spec } from "./interceptors.ts";

/** What one procedure needs to be served. */
interface Common extends Described {
  readonly binary: Codec;
  readonly json: Codec;
}

export interface UnaryProcedure extends Common {
  readonly kind: "unary";
  readonly invoke: Invoke<Message>;
}

export interface StreamProcedure extends Common {
  readonly kind: "server_streaming";
  readonly invoke: Invoke<Messages>;
}

export type Procedure = UnaryProcedure | StreamProcedure;

/** Options whose effect only the adapter knows; a procedure that has one is left to it. */
const unknownOptions = ["connect", "grpc", "grpcWeb", "requireConnectProtocolHeader", "writeMaxBytes"] as const;

/** The procedures that take one message, by path. Found by a router of our own, since the adapter's hides them. */
export function fastProcedures(
  routes: (router: ConnectRouter) => void,
  base: ConnectRouterOptions,
): ReadonlyMap<string, Procedure> {
  const procedures = new Map<string, Procedure>();
  function add(spec: Spec, own: ConnectRouterOptions | undefined): void {
    const options = { ...base, ...own };
    const path = createMethodUrl("/", spec.method);
    // The later registration counts.
    procedures.delete(path);
    if (unknownOptions.some((name) => options[name] !== undefined)) return;
    const procedure = procedureOf(spec, validateUniversalHandlerOptions(options));
    if (procedure !== undefined) procedures.set(path, procedure);
  }
  const router: ConnectRouter = {
    handlers: [],
    service(service, implementation, options) {
      for (const spec of Object.values(createServiceImplSpec(service, implementation).methods)) add(spec, options);
      return router;
    },
    rpc(method, implementation, options) {
      add(createMethodImplSpec(method, implementation), options);
      return router;
    },
  };
  routes(router);
  return procedures;
}

function procedureOf(spec: Spec, options: Options): Procedure | undefined {
  const { kind, method } = spec;
  const common = { method, options, ...codecsOf(method, options) };
  if (kind === "unary") return { kind, ...common, invoke: interceptUnary(spec, options.interceptors) };
  if (kind === "server_streaming") return { kind, ...common, invoke: interceptStream(spec, options.interceptors) };
  return undefined;
}
