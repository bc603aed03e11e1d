import type { Client, ClientSettings } from "../../model/client.ts";
import { invalidField } from "../../model/errors.ts";

/** A client as these routes show it; times are RFC 3339. */
export function toJson({ id, name, description, scopes, disabled, ...client }: Client) {
  return {
    id,
    name,
    description,
    scopes,
    limit_per_minute: client.limitPerMinute,
    disabled,
    expire_time: timeOf(client.expiresAt),
    last_use_time: timeOf(client.lastUsedAt),
    create_time: timeOf(client.createdAt),
    previous_key_expire_time: timeOf(client.previousKeyUntil),
  };
}

function timeOf(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

export interface ClientBody {
  readonly name?: string;
  readonly description?: string;
  readonly scopes?: readonly string[];
  readonly limit_per_minute?: number | null;
  readonly disabled?: boolean;
  readonly expire_time?: string | null;
}

/** The client's settings that a body changes. */
export function changesOf({ limit_per_minute, expire_time, ...body }: ClientBody): Partial<ClientSettings> {
  const { name, description, scopes, disabled } = body;
  return {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(scopes === undefined ? {} : { scopes }),
    ...(limit_per_minute === undefined ? {} : { limitPerMinute: limit_per_minute || null }),
    ...(disabled === undefined ? {} : { disabled }),
    ...(expire_time === undefined ? {} : { expiresAt: expire_time === null ? null : Date.parse(expire_time) }),
  };
}

export function someOf(changes: Partial<ClientSettings>): Partial<ClientSettings> {
  if (Object.keys(changes).length > 0) return changes;
  const known = "name, description, scopes, limit_per_minute, disabled, expire_time";
  throw invalidField("body", `must have at least one of: ${known}`);
}
