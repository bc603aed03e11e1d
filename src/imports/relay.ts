import { invalidField } from "../model/errors.ts";
import type { ForeignClient } from "../model/imports.ts";
import { UserError } from "../user-error.ts";
import type { Values } from "./rows.ts";
import { flagOf, isForEver, textOf, timeOf } from "./values.ts";

/** What the columns may be called; the relay's table was never published. */
const columns = {
  id: ["id", "client_id"],
  name: ["name", "client_name"],
  description: ["description"],
  scopes: ["scopes", "scope", "permissions"],
  limit_per_minute: ["rate_limit", "rate_limit_per_minute", "limit_per_minute", "requests_per_minute"],
  active: ["active", "is_active", "enabled"],
  disabled: ["disabled", "is_disabled", "revoked"],
  expire_time: ["expires_at", "expire_time"],
  created: ["created_at", "created", "create_time"],
} as const;
type Field = keyof typeof columns;

/** Columns that are of no use here. */
const dropped = [
  ...["api_key_hash", "key_hash", "hashed_key", "api_key", "api_key_prefix", "key_prefix"],
  ...["updated_at", "updated", "last_used_at", "last_used"],
];
const perMinute = /^(\d{1,9})(?: ?(?:\/|per) ?(?:1 ?)?min(?:ute)?)?$/;

export function relayClient(values: Values): ForeignClient {
  const names = namesOf(values);
  const text = (field: Field) => textOf(values, names[field] ?? "");
  const flag = (field: Field) => flagOf(values, names[field] ?? "");
  const time = (field: Field) => timeOf(values, names[field] ?? "");
  return {
    id: text("id"),
    name: text("name"),
    description: text("description"),
    scopes: scopesOf(values, names.scopes ?? ""),
    limitPerMinute: limitOf(values, names.limit_per_minute ?? ""),
    disabled: flag("active") === false || flag("disabled") === true,
    expiresAt: isForEver(values, names.expire_time ?? "") ? null : (time("expire_time") ?? null),
    createdAt: time("created"),
    names,
  };
}

/** Throws UserError for a column that is not understood, and for two that mean one field. */
function namesOf(values: Values): Partial<Record<Field, string>> {
  const present = Object.keys(values);
  const known: readonly string[] = [...Object.values(columns).flat(), ...dropped];
  const strange = present.filter((name) => !known.includes(name));
  if (strange.length > 0) throw new UserError(`the column ${strange.join(", ")} is not understood: leave it out`);
  const named = Object.entries(columns).map(([field, all]) => {
    const [name, second] = all.filter((alias) => present.includes(alias));
    if (second !== undefined) throw new UserError(`${name} and ${second} mean the same: leave one out`);
    return [field, name];
  });
  const names = Object.fromEntries(named.filter(([, name]) => name !== undefined));
  if (names.name === undefined) throw new UserError("it has no name: it must be an export of the relay's clients");
  return names;
}

/** JSON's array, PostgreSQL's `{a,b}`, or words between commas or blanks. An empty one, and JSON's null, say nothing. */
function scopesOf(values: Values, name: string): string[] | undefined {
  const value = values[name];
  const words = Array.isArray(value) ? value.map(String) : wordsOf(textOf(values, name));
  return words.length === 0 ? undefined : words;
}

function wordsOf(text: string): string[] {
  return text === "null" ? [] : text.split(/[\s,[\]{}"]+/).filter((word) => word !== "");
}

/** The limit; null for the default, which 0 stands for too, as where administrators set it. */
function limitOf(values: Values, name: string): number | null {
  const text = textOf(values, name);
  if (text === "") return null;
  const [, count] = perMinute.exec(text) ?? [];
  if (count === undefined) throw invalidField(name, "must be calls a minute, such as 100 or 100/minute");
  return Number(count) || null;
}
