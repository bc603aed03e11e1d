import { DomainError } from "../../model/errors.ts";
import { jobUploadsMax } from "../../model/image.ts";
import type { Principal } from "../../model/principal.ts";
import { dayMs } from "../../model/time.ts";
import type { Clock } from "../../ports/clock.ts";
import type { CounterStore } from "../../ports/counter-store.ts";

interface Deps {
  readonly counters: CounterStore;
  readonly clock: Clock;
}

/**
 * Runs `upload`, unless its job has had as many as it may have, on all servers together: a job's tokens travel in queues
 * and live for days. An upload that fails is not counted, since its worker makes it again.
 */
export async function withinJobLimit<T>(by: Principal, deps: Deps, upload: () => Promise<T>): Promise<T> {
  if (by.kind !== "job") return upload();
  const add = (amount: number) => deps.counters.add(`uploads of ${by.jobId}`, amount, deps.clock(), dayMs);
  const { count } = await add(1);
  try {
    if (count > jobUploadsMax) throw tooMany();
    return await upload();
  } catch (error) {
    await add(-1).catch(() => {});
    throw error;
  }
}

function tooMany(): DomainError {
  const message = `the job's workers have uploaded ${jobUploadsMax} pictures within a day`;
  return new DomainError("failed_precondition", "TOO_MANY_UPLOADS", message);
}
