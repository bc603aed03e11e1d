import { Code, ConnectError } from "@connectrpc/connect";

/** What interceptors let through that is no error of Connect's says nothing. */
export function toConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
}
