import type { AuditEvent } from "../../model/audit.ts";
import type { AuditStore } from "../../ports/audit-store.ts";
import type { Database } from "./database.ts";

export function sqliteAuditStore(db: Database): AuditStore {
  return {
    async append(event) {
      const { id, action, actor, target } = event;
      const sql = "INSERT INTO audit (id, action, actor, target, doc) VALUES (?, ?, ?, ?, ?)";
      await db.write(sql, id, action, actor, target, JSON.stringify(event));
    },
    async list({ where, from, before, limit }) {
      const [filter, values] = where === undefined ? ["", []] : [`${where.field} = ? AND `, [where.value]];
      const sql = `SELECT doc FROM audit WHERE ${filter}id >= ? AND id < ? ORDER BY id DESC LIMIT ?`;
      return db.readDocs<AuditEvent>(sql, ...values, from, before, limit);
    },
    deleteBefore: (id, limit) => db.deleteFirst("audit", "id", "< ?", id, limit),
  };
}
