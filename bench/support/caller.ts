import type { Call } from "./calls.ts";

/** Makes one call at a time; rejects when the answer is not the one that the call must get. */
export interface Caller {
  call(call: Call): Promise<void>;
  close(): void;
}

/** Of HTTP/1.1 the status, of HTTP/2 all headers. */
export class WrongAnswer extends Error {
  readonly status: unknown;

  constructor({ path }: Call, status: unknown, body: Buffer) {
    super(`${path} was answered wrongly: ${status} ${body.toString("latin1", 0, 500)}`);
    this.status = status;
  }
}
