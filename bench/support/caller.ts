import type { Call } from "./calls.ts";

/** Makes one call at a time; rejects when the answer is not the one that the call must get. */
export interface Caller {
  call(call: Call): Promise<void>;
  close(): void;
}

export function wrongAnswer({ path }: Call, status: unknown, body: Buffer): Error {
  return new Error(`${path} was answered wrongly: ${status} ${body.toString("latin1", 0, 500)}`);
}
