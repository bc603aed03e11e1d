import type { Cursor } from "../../model/page.ts";

/** The order of a list in one text: it needs one field in an index, and one comparison to go on after a page. */
export function sortKey({ createdAt, id }: Cursor): string {
  return String(createdAt).padStart(16, "0") + id;
}
