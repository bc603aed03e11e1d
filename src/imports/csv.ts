import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { CsvError, type Options, parse } from "csv-parse";
import { UserError } from "../user-error.ts";
import type { Row, Values } from "./rows.ts";

/** Characters of one record. */
const recordMax = 1024 * 1024;
const options = {
  bom: true,
  columns: true,
  raw: true,
  max_record_size: recordMax,
  skip_empty_lines: true,
} satisfies Options;

/** CSV as PostgreSQL writes it with `csv header`: a line that names the columns, `"` around what needs it and doubled within. */
export async function* csvRows(path: string): AsyncGenerator<Row> {
  const parser = parse(options);
  // A failure is thrown where the rows are read.
  pipeline(createReadStream(path), parser, () => {});
  let line = 2;
  try {
    for await (const { record, raw } of parser as AsyncIterable<{ record: Values; raw: string }>) {
      const text = raw.trimStart();
      line += lineEnds(raw.slice(0, raw.length - text.length));
      yield { place: `line ${line}`, values: record };
      line += lineEnds(text);
    }
  } catch (error) {
    throw error instanceof CsvError ? new UserError(`${path}: line ${error.lines}: ${ruleOf(error)}`) : error;
  }
}

/** The parser's own count takes `\r\n` within a value for two. */
function lineEnds(text: string): number {
  return text.match(/\r\n|\r|\n/g)?.length ?? 0;
}

/** Not in the parser's own words, which quote what was read. */
function ruleOf({ code }: CsvError): string {
  if (code === "CSV_RECORD_INCONSISTENT_COLUMNS") return "has not as many values as there are columns";
  if (code === "CSV_MAX_RECORD_SIZE") return `a record must have at most ${recordMax} characters; is a quote missing?`;
  return `is no CSV as PostgreSQL writes it (${code})`;
}
