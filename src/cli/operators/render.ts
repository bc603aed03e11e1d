export type Row = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** For people a table, for scripts JSON: a line each, so that they can be read as they come. */
export function render(rows: readonly Row[], asJson: boolean): string {
  if (asJson) return rows.map((row) => `${JSON.stringify(row, orNull)}\n`).join("");
  const [first] = rows;
  if (first === undefined) return "There is nothing.\n";
  const names = Object.keys(first);
  const table = [names, ...rows.map((row) => names.map((name) => cell(row[name])))];
  const widths = names.map((_, column) => Math.max(...table.map((line) => line[column]?.length ?? 0)));
  return table
    .map(
      (line) =>
        `${line
          .map((text, column) => text.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

/** Scripts find each name in every row. What there is not may have come as an empty text. */
function orNull(_name: string, value: unknown): unknown {
  return value === "" ? null : (value ?? null);
}

function cell(value: Row[string]): string {
  return printable(String(value ?? ""));
}

/** Names that others chose may hold control characters, which a terminal would obey. */
export function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, "�");
}
