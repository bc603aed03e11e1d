import type { Operation } from "./access.ts";
import { DomainError } from "./errors.ts";
import { healthChecks } from "./rate-limits.ts";

/** Milliseconds. */
const retryAfterMs = 1000;

export const overloaded = new DomainError(
  "resource_exhausted",
  "OVERLOADED",
  "more calls come than this server can answer: wait a second, then try again",
  { retryAfterMs },
);

export const uploadsFull = new DomainError(
  "resource_exhausted",
  "UPLOADS_FULL",
  "as many pictures are being uploaded as this server takes at a time: wait a second, then try again",
  { retryAfterMs },
);

/** The operation whose large bodies are kept whole in memory. */
export const uploadOperation: Operation = "darkroom.imagejob.v1.ImageJobService/UploadImage";

const worker = "darkroom.worker.v1.WorkerService";
/** Never refused under load: health checks, and the calls that a running job depends on. */
const neverShed: readonly Operation[] = [...healthChecks, `${worker}/ClaimJob`, `${worker}/Heartbeat`];
const neverShedPaths: ReadonlySet<string> = new Set(neverShed.map(pathOfOperation));

export function isNeverShed(path: string): boolean {
  return neverShedPaths.has(path);
}

/** The URL path of an operation, as model/access.ts names it. */
export function pathOfOperation(operation: Operation): string {
  return operation.includes(" ") ? operation.slice(operation.indexOf(" ") + 1) : `/${operation}`;
}
