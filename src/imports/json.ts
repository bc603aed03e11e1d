import { readFile, stat } from "node:fs/promises";
import { UserError } from "../user-error.ts";
import type { Row, Values } from "./rows.ts";

/** The file is read as a whole. */
const bytesMax = 100 * 1024 * 1024;

/** The objects of an array. */
export async function* jsonRows(path: string): AsyncGenerator<Row> {
  if ((await stat(path)).size > bytesMax)
    throw new UserError(`${path}: JSON must have at most ${bytesMax} bytes: export it as CSV`);
  for (const [index, values] of parse(path, await readFile(path, "utf8")).entries()) {
    const place = `record ${index + 1}`;
    if (!isObject(values)) throw new UserError(`${path}: ${place}: must be an object`);
    yield { place, values };
  }
}

function parse(path: string, text: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ""));
    if (Array.isArray(value)) return value;
  } catch {
    // Not in the parser's own words, which quote what was read.
  }
  throw new UserError(`${path}: must be a JSON array of objects`);
}

function isObject(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
