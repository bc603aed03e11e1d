import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Tokens as WireTokens } from "../../gen/darkroom/auth/v1/auth_pb.ts";

/** A session's tokens, as plain data. Who has them is signed in: keep them as you would a password. */
export interface Tokens {
  readonly accessToken: string;
  /** Milliseconds since 1970, by the server's clock. */
  readonly accessTokenExpiresAt: number;
  readonly refreshToken: string;
  /** Milliseconds since 1970, by the server's clock. */
  readonly refreshTokenExpiresAt: number;
}

/**
 * Where a session's tokens are kept. `get` is asked before every call, so that clients that share a store share the
 * session; `set` is called after signing in, after every refresh, and with undefined once the session is over.
 */
export interface TokenStore {
  get(): Tokens | undefined | Promise<Tokens | undefined>;
  set(tokens: Tokens | undefined): void | Promise<void>;
}

/** The part of the browser's `Storage` that is needed. */
export interface KeyValueStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** Keeps the tokens as long as this object lives. */
export function tokensInMemory(tokens?: Tokens): TokenStore {
  let kept = tokens;
  return {
    get: () => kept,
    set(next) {
      kept = next;
    },
  };
}

/** Keeps the tokens in `localStorage` or `sessionStorage`. Every script of the page's origin can read them there. */
export function tokensIn(storage: KeyValueStorage, key = "darkroom.tokens"): TokenStore {
  return {
    get() {
      const text = storage.getItem(key);
      return text === null ? undefined : JSON.parse(text);
    },
    set(tokens) {
      if (tokens === undefined) storage.removeItem(key);
      else storage.setItem(key, JSON.stringify(tokens));
    },
  };
}

export function fromWire(tokens: WireTokens | undefined): Tokens {
  const { accessTokenExpireTime, refreshTokenExpireTime } = tokens ?? {};
  if (!tokens?.accessToken || !tokens.refreshToken || !accessTokenExpireTime || !refreshTokenExpireTime) {
    throw new Error("the server sent no tokens");
  }
  return {
    accessToken: tokens.accessToken,
    accessTokenExpiresAt: timestampMs(accessTokenExpireTime),
    refreshToken: tokens.refreshToken,
    refreshTokenExpiresAt: timestampMs(refreshTokenExpireTime),
  };
}
