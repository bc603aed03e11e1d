import { minuteMs } from "./time.ts";
/** ES256 is what every library knows, EdDSA what the first versions made. */
export type SigningAlgorithm = "ES256" | "EdDSA";

/** A key that access tokens are checked with, and, while it is the newest active one, signed with. */
export interface SigningKey {
  /** Its RFC 7638 thumbprint: `kid` in the tokens' headers. */
  readonly id: string;
  readonly algorithm: SigningAlgorithm;
  readonly createdAt: number;
  /** From when tokens are signed with it. Services can read it from the key set before that. */
  readonly activeAt: number;
  /** When the last token that it signed has expired, and the key is deleted; null for the newest. */
  readonly expiresAt: number | null;
}

/** How long before its use a new key is published: longer than others keep the key set. */
export const publishAheadMs = 5 * minuteMs;
/** How long readers may cache the key set. */
export const keySetMaxAgeMs = 60_000;

/** The newest active key; the oldest of all when none is active, as when this clock is behind. */
export function signingKeyOf<Key extends SigningKey>(keys: readonly Key[], now: number): Key | undefined {
  const active = keys.filter((key) => key.activeAt <= now);
  return active.toSorted((a, b) => b.activeAt - a.activeAt)[0] ?? keys.toSorted((a, b) => a.activeAt - b.activeAt)[0];
}

/**
 * The keys with a new one. The old keys live on until `tokenMs`, the longest life of a token, after the new one is
 * active. With `immediately` the new key is alone, and active at once: for a key that leaked.
 */
export function rotated<Key extends SigningKey>(
  keys: readonly Key[],
  fresh: Key,
  { immediately, tokenMs }: { immediately: boolean; tokenMs: number },
): Key[] {
  if (immediately) return [fresh];
  const end = fresh.activeAt + tokenMs;
  return [fresh, ...keys.map((key) => ({ ...key, expiresAt: key.expiresAt ?? end }))];
}
