import { setTimeout as sleep } from "node:timers/promises";
import type { Message } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { type Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { Protos } from "./protos.ts";

// Of the suite's messages, what a server reads.
interface Field {
  readonly name: string;
  readonly value: string[];
}
interface Failure {
  readonly code: Code;
  readonly message?: string;
  readonly details: Any[];
}
interface Definition {
  readonly responseHeaders: Field[];
  readonly responseTrailers: Field[];
  readonly responseDelayMs: number;
}
export interface UnaryDefinition extends Definition {
  readonly response:
    | { readonly case: "responseData"; readonly value: Uint8Array }
    | { readonly case: "error"; readonly value: Failure }
    | { readonly case: undefined; readonly value?: undefined };
}
export interface StreamDefinition extends Definition {
  readonly responseData: Uint8Array[];
  readonly error?: Failure;
}
/** A request says how it is to be answered. */
export type Request<T> = Message & { readonly responseDefinition?: T; readonly fullDuplex?: boolean };

/** What a server is to tell of the requests that it got. */
export type Told = Record<string, unknown>;

export function tell(protos: Protos, requests: readonly Message[], context: HandlerContext): Told {
  const { requestHeader, requestMethod, timeoutMs, url } = context;
  const timeout = timeoutMs();
  return {
    ...tellAlone(protos, requests),
    requestHeaders: fields(requestHeader),
    ...(timeout === undefined ? {} : { timeoutMs: BigInt(timeout) }),
    ...(requestMethod === "GET" ? { connectGetInfo: { queryParams: fields(new URL(url).searchParams) } } : {}),
  };
}

export function tellAlone({ pack }: Protos, requests: readonly Message[]): Told {
  return { requests: requests.map(pack) };
}

export function toError(protos: Protos, { code, message, details }: Failure, told: Told | undefined): ConnectError {
  const error = new ConnectError(message ?? "", code);
  error.details = details.map(({ typeUrl, value }) => ({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value }));
  if (told !== undefined) error.details.push({ desc: protos.message("ConformancePayload.RequestInfo"), value: told });
  return error;
}

export function setHeaders(definition: Definition | undefined, { responseHeader, responseTrailer }: HandlerContext) {
  for (const { name, value } of definition?.responseHeaders ?? []) append(responseHeader, name, value);
  for (const { name, value } of definition?.responseTrailers ?? []) append(responseTrailer, name, value);
}

export async function pause(definition: Definition | undefined, { signal }: HandlerContext): Promise<void> {
  const wake = () => {
    throw signal.reason;
  };
  if (definition?.responseDelayMs) await sleep(definition.responseDelayMs, undefined, { signal }).catch(wake);
}

function fields(entries: Iterable<[string, string]>): Field[] {
  return [...entries].map(([name, value]) => ({ name, value: [value] }));
}

function append(headers: Headers, name: string, values: readonly string[]): void {
  for (const value of values) headers.append(name, value);
}
