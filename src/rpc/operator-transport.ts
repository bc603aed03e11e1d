import { randomUUID } from "node:crypto";
import { createRouterTransport, type Interceptor, type Transport } from "@connectrpc/connect";
import type { UseCases } from "../core/use-cases.ts";
import type { Call } from "../model/call.ts";
import type { Log } from "../ports/log.ts";
import { auditInterceptor } from "./audit-interceptor.ts";
import { callKey } from "./call.ts";
import { errorInterceptor } from "./gate.ts";
import { routesOf } from "./handler.ts";

/** Calls within this process and past the gate, for an operator: whoever may open the database may do anything. */
export function operatorTransport(core: UseCases, log: Log): Transport {
  const interceptors = [asOperator, errorInterceptor(log), auditInterceptor(core)];
  return createRouterTransport(routesOf(core), { router: { interceptors } });
}

const asOperator: Interceptor = (next) => (request) => {
  const call: Call = {
    requestId: randomUUID(),
    startedAt: performance.now(),
    address: "",
    userAgent: "",
    authorization: undefined,
    apiKey: undefined,
    setHeader: () => {},
    isSecure: false,
    isOperator: true,
  };
  request.contextValues.set(callKey, call);
  return next(request);
};
