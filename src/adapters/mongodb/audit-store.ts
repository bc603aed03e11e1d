import type { AuditEvent } from "../../model/audit.ts";
import type { AuditStore } from "../../ports/audit-store.ts";
import type { Database } from "./database.ts";
import { before, between, is, Records } from "./records.ts";

/** `place` repeats the id, to be indexed behind another field, in descending order. */
export function mongodbAuditStore(db: Database): AuditStore {
  const events = new Records<AuditEvent>(db, "audit", { derived: { place: ({ id }) => id } });
  return {
    append: (event) => events.insert(event),
    list({ where, from, before: end, limit }) {
      const equal = where === undefined ? {} : { [where.field]: is(where.value) };
      return events.find({ ...equal, place: between(from, end) }, { sort: { place: -1 }, limit });
    },
    deleteBefore: (id, limit) => events.deleteFirst({ _id: before(id) }, { sort: { _id: 1 }, limit }),
  };
}
