import type { IncomingMessage, ServerResponse } from "node:http";
import { bodyMax, uploadBodyMax } from "../model/body-limits.ts";
import type { DomainError } from "../model/errors.ts";
import { isKeptPath, overloaded, pathOf, uploadOperation, uploadsFull } from "../model/overload.ts";
import type { Log } from "../ports/log.ts";
import type { Pressure } from "./pressure.ts";

/** Why a request is refused for the load alone; undefined when it is not. Asked once for each, with the time. */
export type Shed = (request: IncomingMessage, response: ServerResponse, now: number) => DomainError | undefined;

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

/** Refuses what is too much before anything is done for it, whosever it is. */
export function createShedding({ isTooMuch, uploadsMax, log }: SheddingOptions): Shed {
  const report = createReport(log);
  let uploads = 0;

  /** One alone has its place however large it is. */
  function takePlace(bytes: number, response: ServerResponse): DomainError | undefined {
    if (bytes <= bodyMax) return undefined;
    if (uploads > 0 && uploads + bytes > uploadsMax) return uploadsFull;
    uploads += bytes;
    response.once("close", () => {
      uploads -= bytes;
    });
    return undefined;
  }

  return (request, response, now) => {
    let refusal: DomainError | undefined;
    if (isTooMuch(now) && !isKeptPath(pathIn(request))) refusal = overloaded;
    else if (request.url === uploadPath) refusal = takePlace(sizeOf(request), response);
    if (refusal !== undefined) report(refusal);
    return refusal;
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
