import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";
import { publishAheadMs, rotated, type SigningKey, signingKeyOf } from "../model/signing-key.ts";
import type { Clock } from "../ports/clock.ts";
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
  /** The longest life of a token. */
  readonly tokenMs: number;
  /** How old the newest key may become before another is made. */
  readonly rotateMs: number;
}

/** An installation's first key, in a secret of its own. */
const firstName = "access-token-key";
const ringName = "access-token-keys";
/** How often the ring is read again at most, so that a dropped key ends everywhere; and how soon for an unknown one. */
const freshMs = 1500;
const unknownMs = 1000;
/** A key that another server made so shortly before is the one that was to be made here. */
const sameMs = 60_000;
const triesMax = 10;

/** The Ed25519 keys of access tokens, the same ring for all servers, in one secret that is replaced as a whole. */
export class KeyRing {
  readonly #options: Options;
  #stored = "";
  #keys: readonly LoadedKey[] = [];
  #readAt = Number.NEGATIVE_INFINITY;

  static async open(options: Options): Promise<KeyRing> {
    const ring = new KeyRing(options);
    await ring.#read();
    return ring;
  }

  private constructor(options: Options) {
    this.#options = options;
  }

  /** Grows stale with each change: what was concluded from another ring is void. */
  get state(): string {
    return this.#stored;
  }

  async current(): Promise<LoadedKey> {
    const keys = await this.list();
    const key = signingKeyOf(keys, this.#options.clock());
    if (key === undefined) throw new Error("there is no signing key");
    if (this.#options.clock() - (keys[0]?.createdAt ?? 0) < this.#options.rotateMs) return key;
    await this.rotate(false);
    return key;
  }

  async find(id: string | undefined): Promise<LoadedKey | undefined> {
    const known = (await this.list()).find((key) => key.id === id);
    if (known !== undefined || this.#options.clock() - this.#readAt < unknownMs) return known;
    await this.#read();
    return this.#alive().find((key) => key.id === id);
  }

  /** Those that are not forgotten, the newest first. */
  async list(): Promise<readonly LoadedKey[]> {
    const age = this.#options.clock() - this.#readAt;
    if (age < 0 || age >= freshMs) await this.#read();
    return this.#alive();
  }

  /** Many servers at once that find a key too old make one new key. */
  async rotate(immediately: boolean): Promise<LoadedKey> {
    for (let left = triesMax; left > 0; left--) {
      const stored = this.#stored;
      const now = this.#options.clock();
      const fresh = await generated(now, immediately ? now : now + publishAheadMs);
      const keys: readonly StoredKey[] = JSON.parse(stored);
      const kept = keys.filter((key) => key.expiresAt === null || now < key.expiresAt);
      const value = JSON.stringify(rotated(kept, fresh, { immediately, tokenMs: this.#options.tokenMs }));
      const isWritten = await this.#options.secrets.replace(ringName, stored, value);
      await this.#read();
      const [newest] = this.#keys;
      if (newest !== undefined && (isWritten || (!immediately && newest.createdAt > now - sameMs))) return newest;
    }
    throw new Error("others keep changing the signing keys");
  }

  #alive(): readonly LoadedKey[] {
    const now = this.#options.clock();
    return this.#keys.filter((key) => key.expiresAt === null || now < key.expiresAt);
  }

  async #read(): Promise<void> {
    const readAt = this.#options.clock();
    const stored = await this.#options.secrets.getOrCreate(ringName, this.#stored || (await this.#first()));
    if (stored !== this.#stored) this.#keys = await Promise.all((JSON.parse(stored) as StoredKey[]).map(loaded));
    this.#stored = stored;
    this.#readAt = readAt;
  }

  async #first(): Promise<string> {
    const now = this.#options.clock();
    const { jwk: candidate } = await generated(now, now);
    const jwk: JWK = JSON.parse(await this.#options.secrets.getOrCreate(firstName, JSON.stringify(candidate)));
    const first: StoredKey = { ...(await described(jwk)), createdAt: now, activeAt: now, expiresAt: null };
    return JSON.stringify([first]);
  }
}

/** What anybody may know of a key. */
export function publicJwk({ jwk: { kty, crv, x }, id, algorithm }: LoadedKey): JWK {
  return { kty, crv, x, kid: id, alg: algorithm, use: "sig" } as JWK;
}

async function generated(createdAt: number, activeAt: number): Promise<StoredKey> {
  const { privateKey } = await generateKeyPair("Ed25519", { extractable: true });
  return { ...(await described(await exportJWK(privateKey))), createdAt, activeAt, expiresAt: null };
}

async function described(jwk: JWK): Promise<Pick<StoredKey, "id" | "algorithm" | "jwk">> {
  const { d: _private, ...publicPart } = jwk;
  return { id: await calculateJwkThumbprint(publicPart), algorithm: "EdDSA", jwk };
}

async function loaded(key: StoredKey): Promise<LoadedKey> {
  const { d: _private, ...publicPart } = key.jwk;
  const [sign, verify] = await Promise.all([importJWK(key.jwk, "EdDSA"), importJWK(publicPart, "EdDSA")]);
  return { ...key, sign: sign as CryptoKey, verify: verify as CryptoKey };
}
