import type { IncomingMessage, ServerResponse } from "node:http";
import { reportCounts } from "../../helpers/report-counts.ts";
import type { Call } from "../../model/call.ts";
import type { DomainError } from "../../model/errors.ts";
import { isNeverShed, overloaded, pathOfOperation, uploadOperation, uploadsFull } from "../../model/overload.ts";
import { pathOf, withoutExtraSlashes } from "../../model/path.ts";
import type { Log } from "../../ports/log.ts";
import type { Pressure } from "./pressure.ts";
import { UploadRoom } from "./upload-room.ts";

/** Why a request is refused for the load alone; undefined when it is not. Asked once for each. */
export type Shed = (
  call: Call,
  request: IncomingMessage,
  response: ServerResponse,
  /** Whether too many are under way, of this caller or of all. */
  isTooMany: boolean,
) => DomainError | undefined;

export interface SheddingOptions {
  readonly isTooMuch: Pressure;
  /** Bytes of large bodies that may be in memory at a time. */
  readonly uploadsMax: number;
  /** The refusal as an error that a reader of the body may throw. */
  readonly toWire: (refusal: DomainError) => Error;
  readonly log: Log;
}

const uploadPath = pathOfOperation(uploadOperation);
const reportMs = 1000;

/** Refuses calls beyond the load before any work is done for them, whoever makes them; large bodies before they are read. */
export function createShedding({ isTooMuch, uploadsMax, toWire, log }: SheddingOptions): Shed {
  // Refused calls have no lines of their own.
  const report = reportCounts(reportMs, (counts) => {
    log.warn(counts, "calls are refused, since more come than can be answered");
  });
  const uploads = new UploadRoom(uploadsMax, (refusal) => {
    if (refusal === uploadsFull) report(refusal.reason);
    throw toWire(refusal);
  });

  return (call, request, response, isTooMany) => {
    if ((isTooMuch(call.startedAt) || isTooMany) && !isNeverShed(withoutExtraSlashes(pathOf(request.url)))) {
      report(overloaded.reason);
      return overloaded;
    }
    if (request.url?.startsWith(uploadPath) && pathOf(request.url) === uploadPath) {
      call.bodyRoom = uploads.roomFor(call, request, response);
    }
    return undefined;
  };
}
