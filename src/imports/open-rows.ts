import { open } from "node:fs/promises";
import { UserError } from "../user-error.ts";
import { csvRows } from "./csv.ts";
import { jsonRows } from "./json.ts";
import type { Row } from "./rows.ts";

const headBytes = 1024;

/** The records of a CSV file, or of a JSON array; told apart by what the file begins with. */
export async function openRows(path: string): Promise<AsyncIterable<Row> | Iterable<Row>> {
  const head = await readHead(path);
  return /^\uFEFF?\s*\[/.test(head) ? jsonRows(path) : csvRows(path);
}

async function readHead(path: string): Promise<string> {
  const buffer = Buffer.alloc(headBytes);
  try {
    await using file = await open(path);
    const { bytesRead } = await file.read(buffer);
    return buffer.toString("utf8", 0, bytesRead);
  } catch (error) {
    throw new UserError(`${path}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
