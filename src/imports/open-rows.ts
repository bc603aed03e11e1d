import { csvRows } from "./csv.ts";
import { readHead } from "./head.ts";
import { jsonRows } from "./json.ts";
import type { Row } from "./rows.ts";

/** The records of a CSV file, or of a JSON array; told apart by what the file begins with. */
export async function openRows(path: string): Promise<AsyncIterable<Row> | Iterable<Row>> {
  const head = await readHead(path);
  return /^\uFEFF?\s*[[{]/.test(head) ? jsonRows(path) : csvRows(path);
}
