import { StoreUnavailable } from "../ports/store-errors.ts";

const batch = 100;
/** After so many failures the fault is not in single records, and the rest waits for the next sweep. */
const failuresMax = 1000;

/**
 * Deletes all records that `list` finds, one after the other. One that cannot be deleted does not stop the others, and
 * the first failure is thrown at the end; a store that is away ends it at once. Leaves the rest once `stopping` aborts.
 */
export async function deleteAll(
  list: (limit: number) => Promise<readonly { readonly id: string }[]>,
  remove: (id: string) => Promise<void>,
  stopping?: AbortSignal,
): Promise<void> {
  const failures = new Map<string, unknown>();
  while (failures.size < failuresMax) {
    // Those that failed may be the first to be found again.
    const found = (await list(batch + failures.size)).filter(({ id }) => !failures.has(id));
    if (found.length === 0) break;
    for (const { id } of found) {
      if (stopping?.aborted) return;
      await remove(id).catch((error: unknown) => {
        if (error instanceof StoreUnavailable) throw error;
        failures.set(id, error);
      });
    }
  }
  if (failures.size > 0) throw [...failures.values()][0];
}

/**
 * Deletes all that `deleteSome`, which resolves to how many it has deleted, finds. Leaves the rest once `stopping` aborts.
 */
export async function inBatches(deleteSome: (limit: number) => Promise<number>, stopping?: AbortSignal): Promise<void> {
  while ((await deleteSome(batch)) === batch && !stopping?.aborted);
}
