import { DomainError } from "../model/errors.ts";
import type { Clock } from "../ports/clock.ts";

/** How often a change is tried, in all: more writers than that never meet, but a damaged record may refuse each write. */
export const triesMax = 100;

interface Versioned {
  readonly updatedAt: number;
  readonly version: number;
}

/**
 * Writes `step` of the record as it stands; reads and tries again, up to `triesMax` times in all, when another writer
 * came first. Writes nothing when `step` returns the same record.
 */
export async function changeRecord<Record extends Versioned>(
  read: () => Promise<Record>,
  step: (record: Record) => Record,
  replace: (record: Record) => Promise<boolean>,
  clock: Clock,
): Promise<Record> {
  for (let left = triesMax; left > 0; left--) {
    const record = await read();
    const changed = step(record);
    if (changed === record) return record;
    const next = { ...changed, updatedAt: clock(), version: record.version + 1 };
    if (await replace(next)) return next;
  }
  throw changedMeanwhile();
}

/** For a deletion that was refused: rejects unless another writer came first, since a damaged record may take no write. */
export async function needAnotherWriter(
  store: { get(id: string): Promise<{ readonly version: number } | undefined> },
  { id, version }: { readonly id: string; readonly version: number },
): Promise<void> {
  if ((await store.get(id))?.version === version) throw changedMeanwhile();
}

/** For a change that none of its tries wrote. */
export function changedMeanwhile(): DomainError {
  return new DomainError("aborted", "CHANGED_MEANWHILE", "others keep changing this; try again");
}
