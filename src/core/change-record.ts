import { DomainError } from "../model/errors.ts";

/** How often a change is tried, in all: more writers than that never meet, but a damaged record may refuse each write. */
export const triesMax = 100;

/**
 * Writes `step` of the record as it stands; reads and tries again, up to `triesMax` times in all, when another writer
 * came first.
 */
export async function changeRecord<Record>(
  read: () => Promise<Record>,
  step: (record: Record) => Record,
  replace: (record: Record) => Promise<boolean>,
): Promise<Record> {
  for (let left = triesMax; left > 0; left--) {
    const next = step(await read());
    if (await replace(next)) return next;
  }
  throw changedMeanwhile();
}

/** For a change that none of its tries wrote. */
export function changedMeanwhile(): DomainError {
  return new DomainError("aborted", "CHANGED_MEANWHILE", "others keep changing this; try again");
}
