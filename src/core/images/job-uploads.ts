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

type Bytes = AsyncIterable<Uint8Array>;

/**
 * Uploads `bytes`, unless their job has had as many pictures as it may have, on all servers together: a job's tokens
 * travel in queues and live for days. An upload that fails is not counted, since its worker makes it again.
 */
export async function withinJobLimit<T>(
  bytes: Bytes,
  by: Principal,
  { counters, clock }: Deps,
  upload: (bytes: Bytes) => Promise<T>,
): Promise<T> {
  if (by.kind !== "job") return upload(bytes);
  const add = (amount: number) => counters.add(`uploads of ${by.jobId}`, amount, clock(), dayMs);
  const counted = add(1);
  // Nobody may come to read the bytes.
  counted.catch(() => {});
  try {
    return await upload(onceCounted(counted, bytes));
  } catch (error) {
    await counted.then(() => add(-1)).catch(() => {});
    throw error;
  }
}

/** The upload begins while it is counted, so that its worker does not wait for one write after the other. */
async function* onceCounted(counted: ReturnType<CounterStore["add"]>, bytes: Bytes): Bytes {
  if ((await counted).count > jobUploadsMax) throw tooMany();
  yield* bytes;
}

function tooMany(): DomainError {
  const message = `the job's workers have uploaded ${jobUploadsMax} pictures within a day`;
  return new DomainError("failed_precondition", "TOO_MANY_UPLOADS", message);
}
