import type { IndexDescription } from "mongodb";
import { dayMs } from "../../model/time.ts";

type Key = Readonly<Record<string, 1 | -1>>;

/**
 * Each collection with its indexes, beside that of `_id`. A new version adds indexes and never changes one: an index is
 * known by its name, which is made of its keys.
 */
export const collections = {
  accounts: [
    unique({ recordId: 1 }),
    unique({ usernameKey: 1 }),
    unique({ emailKey: 1 }),
    by({ role: 1 }),
    by({ deletedAt: 1 }),
  ],
  sessions: [by({ endsAt: 1 }), by({ accountId: 1, createdAt: -1 }), purge()],
  clients: [by({ place: -1 })],
  jobs: [
    unique({ requestKey: 1 }),
    by({ ownerId: 1, place: -1 }),
    by({ ownerId: 1, state: 1, place: -1 }),
    by({ dueAt: 1 }),
    by({ deadPlace: -1 }),
    purge(),
  ],
  audit: [by({ place: -1 }), ...(["action", "actor", "target"] as const).map((field) => by({ [field]: 1, place: -1 }))],
  attempts: [by({ lastAt: 1 })],
  counters: [by({ startedAt: 1 })],
  user_daily_usage: [by({ userId: 1, date: -1 }), by({ date: 1 })],
  files: [unique({ nameKey: 1 }), by({ ownerId: 1 }), by({ expiresAt: 1 })],
  images: [by({ expiresAt: 1 }), by({ ownerId: 1 })],
  secrets: [],
  "fs.files": [],
  "fs.chunks": [unique({ files_id: 1, n: 1 })],
} as const satisfies Record<string, readonly IndexDescription[]>;

export type CollectionName = keyof typeof collections;

/** The fields whose values no two documents of the collection share. */
export function uniqueFields(name: CollectionName): string[] {
  const indexes: readonly IndexDescription[] = collections[name];
  return indexes.flatMap(({ key, unique }) => (unique ? Object.keys(key) : []));
}

function by(key: Key): IndexDescription & { name: string } {
  return { key, name: Object.entries(key).flat().join("_") };
}

function unique(key: Key) {
  return { ...by(key), unique: true };
}

/** Lets the server delete what has a date in `purgeAt`, once it has passed. */
function purge() {
  return { ...by({ purgeAt: 1 }), expireAfterSeconds: 0 };
}

/** The last that a Date can hold. */
const lastMs = 8.64e15;

/**
 * A moment as `purgeAt`. The sweeper deletes what has ended and needs no help; where it does not run, the server does,
 * a day later, so that no two clocks can disagree about what is still good.
 */
export function purgeAfter(end: number): Date {
  return new Date(Math.min(end + dayMs, lastMs));
}
