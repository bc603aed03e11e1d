import type { Report, Row } from "./benchmark.ts";
import { ratios, type Summary, summarise } from "./statistics.ts";

/** A Markdown table that reads well in a terminal too: medians over the rounds, from the least to the most. */
export function table({ measured, reference, rows }: Report): string {
  const compares = rows.some((row) => row.reference !== undefined);
  const head = ["", measured, ...(compares ? [reference, "ratio"] : [])];
  const lines = [head, ...rows.map((row) => cells(row, compares))];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const drawn = lines.map(
    (line) =>
      `| ${line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(" | ")} |`,
  );
  const rule = `|${widths.map((width, i) => `${"-".repeat(width + (i === 0 ? 2 : 1))}${i === 0 ? "" : ":"}`).join("|")}|`;
  return [drawn[0], rule, ...drawn.slice(1)].join("\n");
}

function cells({ what, unit, measured, reference }: Row, compares: boolean): string[] {
  const own = [`${what}, ${unit}`, shown(summarise(measured))];
  if (!compares) return own;
  if (reference === undefined) return [...own, "", ""];
  return [...own, shown(summarise(reference)), shown(summarise(ratios(measured, reference)))];
}

function shown({ median, min, max }: Summary): string {
  return `${number(median)} (${number(min)}–${number(max)})`;
}

/** Three digits that mean something. */
function number(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en").replaceAll(",", " ");
  return value.toFixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);
}
