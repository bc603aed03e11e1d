import { hash, randomBytes } from "node:crypto";
import { lruCache } from "../helpers/lru-cache.ts";
import { chain, type MaybePromise } from "../helpers/maybe-promise.ts";
import { clientIdSource, isClientId } from "../model/ids.ts";
import type { ApiKeys } from "../ports/credentials.ts";
import type { BcryptLine, BcryptPool } from "./bcrypt-pool.ts";

/** The secret has 256 random bits, which nobody guesses, so a low cost is enough. */
const cost = 10;
const secretBytes = 32;
const keyPattern = new RegExp(`^dk_(${clientIdSource})_([A-Za-z0-9_-]{43})$`);
/**
 * The hash of random bytes that were thrown away. It is compared with when there is no client, so that the answer takes
 * as long.
 */
const nobody = "$2b$10$HB25xjgKPQuZf2RKBLN3BOx4xa9aWia.oa9LdN66BIps6YYtywwYG";
const rememberedMax = 10_000;
const linesMax = 1000;

/** `dk_<id>_<secret>`. */
export function openApiKeys(pool: BcryptPool): ApiKeys {
  /** Whether a key matched a hash, by a digest of both: each pair is compared once, however often it comes. */
  const remembered = lruCache<MaybePromise<boolean>>(rememberedMax);
  const issuing = pool.line();
  /** One line for each stored hash, so that wrong keys for one client, or for none, delay no other. */
  const lines = lruCache<BcryptLine>(linesMax);

  function lineOf(stored: string): BcryptLine {
    const line = lines.get(stored) ?? pool.line();
    lines.set(stored, line);
    return line;
  }

  function matches(key: string, stored: string): MaybePromise<boolean> {
    const digest = hash("sha256", stored + key, "base64url");
    const known = remembered.get(digest);
    if (known !== undefined) return known;
    const comparing = lineOf(stored).compare(key, stored);
    remembered.set(digest, comparing);
    comparing.then(
      (isRight) => remembered.set(digest, isRight),
      () => remembered.delete(digest),
    );
    return comparing;
  }

  function firstMatching(
    key: string,
    [first, ...rest]: readonly string[],
    index = 0,
  ): MaybePromise<number | undefined> {
    if (first === undefined) return undefined;
    return chain(matches(key, first), (isRight) => (isRight ? index : firstMatching(key, rest, index + 1)));
  }

  return {
    async issue(clientId) {
      if (!isClientId(clientId)) throw new Error("not a client's id");
      const token = `dk_${clientId}_${randomBytes(secretBytes).toString("base64url")}`;
      return { token, hash: await issuing.hash(token, cost) };
    },
    read: (key) => keyPattern.exec(key)?.[1],
    verify: (key, stored) =>
      stored.length === 0 ? chain(matches(key, nobody), () => undefined) : firstMatching(key, stored),
  };
}
