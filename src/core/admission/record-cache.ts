import { lruCache } from "../../helpers/lru-cache.ts";
import type { MaybePromise } from "../../helpers/maybe-promise.ts";
import { type Clock, isRecent } from "../../ports/clock.ts";

/** How long a record is fresh, from the start of its read: a revocation elsewhere works here no later than this and one read. */
const freshMs = 1500;
const entriesMax = 20_000;

interface Entry<Record> {
  readonly since: number;
  /** A promise while it is being read. */
  record: MaybePromise<Record | undefined>;
}

/**
 * A cache of records, so that not every call asks the store; one read at a time for each record. A record that this
 * process writes is forgotten at once (cached-stores.ts), so its own revocations act at the next call.
 */
export class RecordCache<Record> {
  readonly #read: (id: string) => Promise<Record | undefined>;
  readonly #clock: Clock;
  readonly #entries = lruCache<Entry<Record>>(entriesMax);

  constructor(read: (id: string) => Promise<Record | undefined>, clock: Clock) {
    this.#read = read;
    this.#clock = clock;
  }

  get(id: string): MaybePromise<Record | undefined> {
    const since = this.#clock();
    const known = this.#entries.get(id);
    if (known !== undefined && isRecent(known.since, freshMs, since)) return known.record;
    const record = this.#read(id);
    this.#keep(id, { since, record }, record);
    return record;
  }

  #keep(id: string, entry: Entry<Record>, reading: Promise<Record | undefined>): void {
    this.#entries.set(id, entry);
    reading.then(
      (record) => {
        entry.record = record;
      },
      () => this.forget(id),
    );
  }

  forget(id: string): void {
    this.#entries.delete(id);
  }

  /** Does `write`, and forgets the record whatever came of it: an answer that is lost may hide a write. */
  async after<Result>(id: string, write: () => Promise<Result>): Promise<Result> {
    try {
      return await write();
    } finally {
      this.forget(id);
    }
  }
}
