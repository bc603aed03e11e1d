import { invalidField } from "../model/errors.ts";
import { latestTime } from "../model/time.ts";
import type { Values } from "./rows.ts";

const flags: Readonly<Record<string, boolean>> = {
  t: true,
  true: true,
  yes: true,
  on: true,
  "1": true,
  f: false,
  false: false,
  no: false,
  off: false,
  "0": false,
};
const timePattern = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:(\.\d{1,3})\d*)? ?(?:Z|([+-]\d\d):?(\d\d)?)?$/;

/** The value as text; empty where there is none. */
export function textOf(values: Values, name: string): string {
  const value = givenOf(values, name);
  if (value === undefined) return "";
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  throw invalidField(name, "must be text");
}

export function flagOf(values: Values, name: string): boolean | undefined {
  const value = givenOf(values, name);
  if (value === undefined) return undefined;
  const text = String(value).toLowerCase();
  if (Object.hasOwn(flags, text)) return flags[text];
  throw invalidField(name, "must be true or false");
}

/** Milliseconds since the epoch. Without a zone it is UTC. */
export function timeOf(values: Values, name: string): number | undefined {
  const text = textOf(values, name);
  if (text === "") return undefined;
  const [, date, time, fraction = "", hours, minutes = "00"] = timePattern.exec(text) ?? [];
  const at = Date.parse(`${date}T${time}${fraction}${hours === undefined ? "Z" : `${hours}:${minutes}`}`);
  if (at >= 0 && at <= latestTime) return at;
  throw invalidField(name, "must be a time of the years 1970 to 9999, such as 2024-05-01 12:00:00+00");
}

/** Whether it is PostgreSQL's time that never comes. */
export function isForEver(values: Values, name: string): boolean {
  return textOf(values, name) === "infinity";
}

/** An object, or JSON of one; empty where there is none. */
export function objectOf(values: Values, name: string): Values {
  const value = givenOf(values, name) ?? {};
  const parsed = typeof value === "string" ? parse(value) : value;
  if (parsed === null) return {};
  if (typeof parsed === "object" && !Array.isArray(parsed)) return parsed as Values;
  throw invalidField(name, "must be a JSON object");
}

/** Undefined for a value that is missing, null or empty: CSV does not tell these apart. */
function givenOf(values: Values, name: string): unknown {
  const value = values[name];
  return value === null || value === "" ? undefined : value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
