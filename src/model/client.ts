import { textRule } from "./text.ts";
import { latestTime } from "./time.ts";

/** What a client may do; each procedure and route names those that open it (model/access.ts). */
export const scopes = [
  "jobs:submit",
  "jobs:read",
  "images:write",
  "images:read",
  "auth:check",
  "relay",
  "admin",
] as const;
export type Scope = (typeof scopes)[number];

/** A service that calls with a key of its own. */
export interface Client {
  /** 16 characters a–z0–9; part of its key. */
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt: number | null;
  /** Calls it may make in a minute; null for the default. */
  readonly limitPerMinute: number | null;
  readonly disabled: boolean;
  /** The bcrypt hash of the key that is valid now. */
  readonly keyHash: string;
  /** Grows with each new key; a client token names the one it was made from. */
  readonly keyVersion: number;
  /** The hash of the key before, which is valid until `previousKeyUntil`. */
  readonly previousKeyHash: string | null;
  readonly previousKeyUntil: number | null;
  /** Written at most once a minute, without a new version. */
  readonly lastUsedAt: number | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly version: number;
}

/** What an administrator decides about a client. */
export interface ClientSettings {
  readonly name: string;
  readonly description: string;
  readonly scopes: readonly string[];
  readonly expiresAt: number | null;
  readonly limitPerMinute: number | null;
  readonly disabled: boolean;
}

/** Calls a minute. */
export const limitMax = 1_000_000;
const nameMax = 100;
const descriptionMax = 1000;

/** The rules of the fields by the API's names; `expire_time` is in the future only where it is set anew. */
export function clientChecks(wanted: ClientSettings, now: number) {
  return {
    name: () => textRule(wanted.name, { min: 1, max: nameMax }),
    description: () => textRule(wanted.description, { min: 0, max: descriptionMax }),
    scopes: () => scopesRule(wanted.scopes),
    limit_per_minute: () => limitRule(wanted.limitPerMinute),
    expire_time: () => expiryRule(wanted.expiresAt, now),
  };
}

/** A client that has never called. */
export function newClient(settings: ClientSettings, id: string, keyHash: string, now: number, createdAt = now): Client {
  const unused = { previousKeyHash: null, previousKeyUntil: null, lastUsedAt: null };
  const scopes = toScopes(settings.scopes);
  return { ...settings, id, scopes, keyHash, keyVersion: 1, ...unused, createdAt, updatedAt: now, version: 1 };
}

/** The known scopes among `wanted`, each once, in the order of `scopes`. */
export function toScopes(wanted: readonly string[]): Scope[] {
  return scopes.filter((scope) => wanted.includes(scope));
}

/** Whether its key and its tokens work at all. */
export function isUsable(client: Client, now: number): boolean {
  return !client.disabled && (client.expiresAt === null || now < client.expiresAt);
}

/** Whether a key or token of this version is good. */
export function acceptsKeyVersion(client: Client, keyVersion: number, now: number): boolean {
  if (keyVersion === client.keyVersion) return true;
  return keyVersion === client.keyVersion - 1 && now < (client.previousKeyUntil ?? 0);
}

function limitRule(limit: number | null): string | undefined {
  const isFine = limit === null || (limit >= 1 && limit <= limitMax);
  return isFine ? undefined : `must be 1 to ${limitMax}, or 0 for the default`;
}

function expiryRule(expiresAt: number | null, now: number): string | undefined {
  const isFine = expiresAt === null || (expiresAt > now && expiresAt <= latestTime);
  return isFine ? undefined : "must be in the future and before the year 10000, or unset";
}

function scopesRule(wanted: readonly string[]): string | undefined {
  const known: readonly string[] = scopes;
  return wanted.every((scope) => known.includes(scope)) ? undefined : `must be any of: ${scopes.join(", ")}`;
}
