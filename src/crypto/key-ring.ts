import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";
import { chain, type MaybePromise } from "../helpers/maybe-promise.ts";
import { publishAheadMs, rotated, type SigningKey, signingKeyOf } from "../model/signing-key.ts";
import { type Clock, isRecent } from "../ports/clock.ts";
import type { SecretStore } from "../ports/secret-store.ts";

/** A key as the store has it: with its private part. */
interface StoredKey extends SigningKey {
  readonly jwk: JWK;
}

export interface LoadedKey extends StoredKey {
  readonly sign: CryptoKey;
  readonly verify: CryptoKey;
}

interface Options {
  readonly secrets: SecretStore;
  readonly clock: Clock;
  /** The longest life that a token may ever be given: the same for all servers, whatever each is configured to. */
  readonly tokenMs: number;
  /** How old the newest key may become before another is made. */
  readonly rotateMs: number;
  /** The use of the keys, which is part of their secrets' names. */
  readonly use?: string;
}

/**
 * How long a read of the ring is fresh, so that a dropped key ends everywhere; and the least time between two reads for
 * unknown keys.
 */
const freshMs = 1500;
const unknownMs = 1000;
const triesMax = 10;

/**
 * Key pairs, for access tokens unless `use` says otherwise. All servers share one ring, in one secret that is replaced
 * as a whole.
 */
export class KeyRing {
  readonly #options: Options;
  /** An installation's first key is in a secret of its own. */
  readonly #firstName: string;
  readonly #ringName: string;
  #stored = "";
  #keys: readonly LoadedKey[] = [];
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  #searchedAt = Number.NEGATIVE_INFINITY;
  #searching: Promise<void> = Promise.resolve();
  #lastRead = 0;
  #lastTaken = 0;

  static async open(options: Options): Promise<KeyRing> {
    const ring = new KeyRing(options);
    await ring.#read();
    return ring;
  }

  private constructor(options: Options) {
    this.#options = options;
    this.#firstName = `${options.use ?? "access-token"}-key`;
    this.#ringName = `${options.use ?? "access-token"}-keys`;
  }

  async current(): Promise<LoadedKey> {
    const keys = await this.list();
    const key = signingKeyOf(keys, this.#options.clock());
    if (key === undefined) throw new Error("there is no signing key");
    if (this.#options.clock() - (keys[0]?.createdAt ?? 0) < this.#options.rotateMs) return key;
    await this.rotate(false);
    return key;
  }

  find(id: string | undefined): MaybePromise<LoadedKey | undefined> {
    return chain(this.#recently(), () => this.#known(id) ?? this.#search().then(() => this.#known(id)));
  }

  /** The keys that have not expired, the newest first. */
  async list(): Promise<readonly LoadedKey[]> {
    await this.#recently();
    return this.#keys.filter((key) => this.#isAlive(key));
  }

  /** The public keys by which anybody may check the ring's tokens. */
  async keySet(): Promise<{ readonly keys: readonly JWK[] }> {
    return { keys: (await this.list()).map(publicJwk) };
  }

  /** Reads the ring again when the last read is older than `freshMs`. */
  #recently(): MaybePromise<void> {
    if (isRecent(this.#readAt, freshMs, this.#options.clock())) return;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  #known(id: string | undefined): LoadedKey | undefined {
    return this.#keys.find((key) => key.id === id && this.#isAlive(key));
  }

  /**
   * Makes a new key. A key that is not active yet is taken as the new one, so that many who ask at once, or an
   * administrator who asks again, get the same. With `immediately` there is always another.
   */
  async rotate(immediately: boolean): Promise<LoadedKey> {
    for (let left = triesMax; left > 0; left--) {
      await this.#read();
      const now = this.#options.clock();
      const waiting = this.#keys.find((key) => key.activeAt > now);
      if (waiting !== undefined && !immediately) return waiting;
      // The ring as it was read above: another call here may read a newer one while the key is made.
      const seen = this.#stored;
      const fresh = await generated(now, immediately ? now : now + publishAheadMs);
      if (await this.#put(seen, fresh, immediately)) {
        await this.#read();
        return loaded(fresh);
      }
    }
    throw new Error("others keep changing the signing keys");
  }

  async #put(stored: string, fresh: StoredKey, immediately: boolean): Promise<boolean> {
    const { secrets, tokenMs } = this.#options;
    const keys: readonly StoredKey[] = JSON.parse(stored);
    const kept = keys.filter((key) => this.#isAlive(key));
    const isPut = await secrets.replace(
      this.#ringName,
      stored,
      JSON.stringify(rotated(kept, fresh, { immediately, tokenMs })),
    );
    if (isPut && immediately) await this.#replaceFirst(fresh.jwk);
    return isPut;
  }

  /** The leaked key may be the first key, which an older version would use again. */
  async #replaceFirst(jwk: JWK): Promise<void> {
    const { secrets } = this.#options;
    const value = JSON.stringify(jwk);
    await secrets.replace(this.#firstName, await secrets.getOrCreate(this.#firstName, value), value);
  }

  #isAlive({ expiresAt }: StoredKey): boolean {
    return expiresAt === null || this.#options.clock() < expiresAt;
  }

  /**
   * Reads the ring for an unknown key, apart from other reads: a ring read just before another server changed it lacks
   * the new key.
   */
  #search(): Promise<void> {
    const now = this.#options.clock();
    if (!isRecent(this.#searchedAt, unknownMs, now)) {
      this.#searchedAt = now;
      this.#searching = this.#read();
    }
    return this.#searching;
  }

  async #read(): Promise<void> {
    const readAt = this.#options.clock();
    const turn = ++this.#lastRead;
    const stored = await this.#options.secrets.getOrCreate(this.#ringName, this.#stored || (await this.#first()));
    const keys =
      stored === this.#stored ? this.#keys : await Promise.all((JSON.parse(stored) as StoredKey[]).map(loaded));
    // A slow read that began before a later one would bring back what was dropped.
    if (turn < this.#lastTaken) return;
    this.#lastTaken = turn;
    this.#keys = keys;
    this.#stored = stored;
    this.#readAt = readAt;
  }

  async #first(): Promise<string> {
    const now = this.#options.clock();
    const { jwk: candidate } = await generated(now, now);
    const jwk: JWK = JSON.parse(await this.#options.secrets.getOrCreate(this.#firstName, JSON.stringify(candidate)));
    const first: StoredKey = { ...(await described(jwk)), createdAt: now, activeAt: now, expiresAt: null };
    return JSON.stringify([first]);
  }
}

/** The key as the key set has it. */
export function publicJwk({ jwk, id, algorithm }: LoadedKey): JWK {
  return { ...publicPartOf(jwk), kid: id, alg: algorithm, use: "sig" };
}

function publicPartOf({ d: _private, ...publicPart }: JWK): JWK {
  return publicPart;
}

async function generated(createdAt: number, activeAt: number): Promise<StoredKey> {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true });
  return { ...(await described(await exportJWK(privateKey))), createdAt, activeAt, expiresAt: null };
}

async function described(jwk: JWK): Promise<Pick<StoredKey, "id" | "algorithm" | "jwk">> {
  const algorithm = jwk.kty === "OKP" ? "EdDSA" : "ES256";
  return { id: await calculateJwkThumbprint(publicPartOf(jwk)), algorithm, jwk };
}

async function loaded(key: StoredKey): Promise<LoadedKey> {
  const { jwk, algorithm } = key;
  const [sign, verify] = await Promise.all([importJWK(jwk, algorithm), importJWK(publicPartOf(jwk), algorithm)]);
  return { ...key, sign: sign as CryptoKey, verify: verify as CryptoKey };
}
