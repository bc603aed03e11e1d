import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import { lruCache } from "../helpers/lru-cache.ts";
import { uuidSource } from "../model/ids.ts";
import type { NamedSecrets } from "../ports/credentials.ts";

const secretBytes = 32;
const rememberedMax = 20_000;
const pattern = new RegExp(`^(d[a-z])_(${uuidSource})_([A-Za-z0-9_-]{43})$`);

type Named = NonNullable<ReturnType<NamedSecrets["read"]>>;

/** `<prefix>_<record's UUID>_<secret>` with 256 random bits, of which a hash is stored. */
function namedSecrets(prefix: string): NamedSecrets {
  return {
    issue(id) {
      const token = `${prefix}_${id}_${randomBytes(secretBytes).toString("base64url")}`;
      return { token, hash: hashOf(token) };
    },
    read(token) {
      const [, kind, id] = pattern.exec(token) ?? [];
      return id === undefined || kind !== prefix ? undefined : { id, hash: hashOf(token) };
    },
    matches: (given, stored) => stored !== null && timingSafeEqual(Buffer.from(given), Buffer.from(stored)),
  };
}

/** Remembers parsed secrets: session tokens come with every call. */
function remembered(secrets: NamedSecrets): NamedSecrets {
  const known = lruCache<Named>(rememberedMax);
  function read(token: string): Named | undefined {
    const named = secrets.read(token);
    if (named !== undefined) known.set(token, named);
    return named;
  }
  return { ...secrets, read: (token) => known.get(token) ?? read(token) };
}

export const sessionTokens = remembered(namedSecrets("ds"));
export const passwordResets = namedSecrets("dp");
export const emailChanges = namedSecrets("de");

function hashOf(token: string): string {
  return hash("sha256", token, "base64url");
}
