/** Sets when a record was last used, unless it was later already: ?1 for the time, ?2 for the id. */
export function touchSql(table: "sessions" | "clients"): string {
  return (
    `UPDATE ${table} SET doc = json_set(doc, '$.lastUsedAt', ?1) ` +
    "WHERE id = ?2 AND coalesce(json_extract(doc, '$.lastUsedAt'), 0) < ?1"
  );
}
