import type { DescMethodUnary } from "@bufbuild/protobuf";
import {
  type ConnectRouter,
  type ConnectRouterOptions,
  createMethodImplSpec,
  createServiceImplSpec,
} from "@connectrpc/connect";
import { createMethodUrl, validateUniversalHandlerOptions } from "@connectrpc/connect/protocol";
import { type Codec, codecsOf } from "./codec.ts";
import { type Invoke, intercept } from "./interceptors.ts";

type Spec = ReturnType<typeof createMethodImplSpec>;
export type UnarySpec = Extract<Spec, { kind: "unary" }>;
export type Options = ReturnType<typeof validateUniversalHandlerOptions>;

/** What one unary procedure needs to be served. */
export interface Procedure {
  readonly method: DescMethodUnary;
  readonly options: Options;
  readonly binary: Codec;
  readonly json: Codec;
  /** The implementation, behind the interceptors. */
  readonly invoke: Invoke;
}

/** Options whose effect only the adapter knows; a procedure that has one is left to it. */
const unknownOptions = ["connect", "grpc", "grpcWeb", "requireConnectProtocolHeader", "writeMaxBytes"] as const;

/** The unary procedures among the routes, by path: a router that keeps what the adapter's own hides. */
export function unaryProcedures(
  routes: (router: ConnectRouter) => void,
  base: ConnectRouterOptions,
): ReadonlyMap<string, Procedure> {
  const procedures = new Map<string, Procedure>();
  function add(spec: Spec, own: ConnectRouterOptions | undefined): void {
    const options = { ...base, ...own };
    const path = createMethodUrl("/", spec.method);
    // The later registration counts.
    procedures.delete(path);
    if (spec.kind !== "unary" || unknownOptions.some((name) => options[name] !== undefined)) return;
    procedures.set(path, procedureOf(spec, validateUniversalHandlerOptions(options)));
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

function procedureOf(spec: UnarySpec, options: Options): Procedure {
  const { method } = spec;
  return { method, options, ...codecsOf(method, options), invoke: intercept(spec, options.interceptors) };
}
