import type { IncomingMessage, ServerResponse } from "node:http";
import { bodyMax, uploadBodyMax } from "../model/body-limits.ts";
import type { Call } from "../model/call.ts";
import type { DomainError } from "../model/errors.ts";
import { isKeptPath, overloaded, pathOf, uploadOperation, uploadsFull } from "../model/overload.ts";
import type { Log } from "../ports/log.ts";
import { onceAnswered } from "./messages.ts";
import type { Pressure } from "./pressure.ts";

/** Why a request is refused for the load alone; undefined when it is not. Asked once for each, with the time. */
export type Shed = (
  call: Call,
  request: IncomingMessage,
  response: ServerResponse,
  now: number,
) => DomainError | undefined;

export interface SheddingOptions {
  readonly isTooMuch: Pressure;
  /** Bytes of large bodies that may be in memory at a time. */
  readonly uploadsMax: number;
  readonly log: Log;
}

/** Bytes: what a body counts for that does not say how long it is, as none does by gRPC: more than most pictures have. */
const unknownBody = 4 * 1024 * 1024;
const uploadPath = pathOf(uploadOperation);
const reportMs = 1000;

/** Refuses what is too much before anything is done for it, whosever it is; large bodies before they are read. */
export function createShedding({ isTooMuch, uploadsMax, log }: SheddingOptions): Shed {
  const report = createReport(log);
  let uploads = 0;

  /** One alone has its place however large it is. */
  function takePlace(bytes: number, response: ServerResponse): void {
    if (bytes <= bodyMax) return;
    if (uploads > 0 && uploads + bytes > uploadsMax) {
      report(uploadsFull);
      throw uploadsFull;
    }
    uploads += bytes;
    onceAnswered(response, () => {
      uploads -= bytes;
    });
  }

  return (call, request, response, now) => {
    if (isTooMuch(now) && !isKeptPath(pathIn(request))) {
      report(overloaded);
      return overloaded;
    }
    // Not before its credential was checked, or strangers could take all places.
    if (request.url === uploadPath) call.takePlace = () => takePlace(sizeOf(request), response);
    return undefined;
  };
}

function pathIn({ url = "" }: IncomingMessage): string {
  return url.split("?", 1)[0] ?? "";
}

function sizeOf({ headers }: IncomingMessage): number {
  const bytes = Number(headers["content-length"] ?? Number.NaN);
  return Number.isNaN(bytes) ? unknownBody : Math.min(bytes, uploadBodyMax);
}

/** One line a second for all that are refused, which have none of their own. */
function createReport(log: Log): (refusal: DomainError) => void {
  const counts = new Map<string, number>();
  function write(): void {
    log.warn({ ...Object.fromEntries(counts) }, "calls are refused, since more come than can be answered");
    counts.clear();
  }
  return ({ reason }) => {
    if (counts.size === 0) setTimeout(write, reportMs).unref();
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  };
}
