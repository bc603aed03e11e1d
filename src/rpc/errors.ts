import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { challengeOf } from "../model/auth-headers.ts";
import { DomainError, type ErrorCode } from "../model/errors.ts";
import type { Log } from "../ports/log.ts";

const domain = "darkroom";
/** Characters; gRPC's trailers need up to nine bytes for each, and more than 64 KiB of them end the connection. */
const messageMax = 1000;

const codes: Readonly<Record<ErrorCode, Code>> = {
  invalid_argument: Code.InvalidArgument,
  unauthenticated: Code.Unauthenticated,
  permission_denied: Code.PermissionDenied,
  not_found: Code.NotFound,
  already_exists: Code.AlreadyExists,
  failed_precondition: Code.FailedPrecondition,
  aborted: Code.Aborted,
  resource_exhausted: Code.ResourceExhausted,
  unavailable: Code.Unavailable,
};

/** The error for the wire. One that nobody foresaw is logged with its cause and says nothing but `internal`. */
export function toConnectError(error: unknown, log: Log, requestId: string): ConnectError {
  const wire = known(error) ?? unforeseen(error, log, requestId);
  return Object.assign(wire, { rawMessage: quotable(wire.rawMessage) });
}

/** A message may quote what its caller sent: any number of characters, and half a surrogate pair, which no header can hold. */
export function quotable(message: string): string {
  return (message.length > messageMax ? `${message.slice(0, messageMax)}…` : message).toWellFormed();
}

/** Bytes that cannot be read: Connect says `internal` of some, but they are the caller's fault. */
export function callersFault(error: unknown): unknown {
  const { code, rawMessage } = ConnectError.from(error);
  return code === Code.Internal ? new ConnectError(rawMessage, Code.InvalidArgument) : error;
}

function known(error: unknown): ConnectError | undefined {
  if (error instanceof ConnectError) return error;
  return error instanceof DomainError ? fromDomain(error) : undefined;
}

function unforeseen(error: unknown, log: Log, requestId: string): ConnectError {
  log.error({ err: error, request_id: requestId }, "a call failed unexpectedly");
  const wire = new ConnectError(`internal error; quote request id ${requestId}`, Code.Internal);
  wire.details.push({ desc: ErrorInfoSchema, value: { reason: "INTERNAL", domain } });
  return wire;
}

export function fromDomain(error: DomainError): ConnectError {
  const wire = new ConnectError(error.message, codes[error.code], undefined, undefined, error);
  wire.details.push({ desc: ErrorInfoSchema, value: { reason: error.reason, domain } });
  if (error.violations.length > 0) {
    const fieldViolations = error.violations.map(({ field, rule }) => ({ field, description: rule }));
    wire.details.push({ desc: BadRequestSchema, value: { fieldViolations } });
  }
  if (error.retryAfterMs !== undefined) {
    const retryDelay = { seconds: BigInt(Math.ceil(error.retryAfterMs / 1000)) };
    wire.details.push({ desc: RetryInfoSchema, value: { retryDelay } });
    wire.metadata.set("retry-after", String(retryDelay.seconds));
  }
  const challenge = challengeOf(error);
  if (challenge !== undefined) wire.metadata.set("www-authenticate", challenge);
  return wire;
}
