import type { Account, AuthClient } from "./api.ts";
import { unlessSilent } from "./call.ts";
import type { CredentialSource } from "./credential.ts";
import { isTransient, isUnauthenticated } from "./errors.ts";
import { retry } from "./retry.ts";
import { fromWire, type TokenStore, type Tokens } from "./tokens.ts";

/** An access token is renewed this long before it expires, so that no call meets its end. */
const renewBeforeMs = 60_000;
/** The least time between two renewals, so that a clock that runs ahead does not renew at every call. */
const renewAgainMs = 60_000;
const refreshTimeoutMs = 10_000;
/** So few tries end within the 30 seconds for which the server repeats a lost answer. */
const refreshFailuresMax = 3;

/** Signs in and out, and has an access token that works whenever one is needed. */
export class Session implements CredentialSource {
  readonly #auth: AuthClient;
  readonly #store: TokenStore;
  readonly #clock: () => number;
  #renewal: { readonly refreshToken: string; readonly done: Promise<string | undefined> } | undefined;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #signIns = 0;

  constructor(auth: AuthClient, store: TokenStore, clock: () => number) {
    this.#auth = auth;
    this.#store = store;
    this.#clock = clock;
  }

  async signIn(identity: string, password: string): Promise<Account | undefined> {
    const { account, tokens } = await this.#auth.login({ identity, password }, unlessSilent);
    this.#signIns += 1;
    await this.#store.set(fromWire(tokens));
    return account;
  }

  /** Forgets the tokens in any case, unless somebody signs in meanwhile; rejects when the server could not be told. */
  async signOut(): Promise<void> {
    const signIns = this.#signIns;
    if ((await this.#store.get()) === undefined) return;
    try {
      await this.#auth.logout({}, unlessSilent);
    } catch (error) {
      if (!isUnauthenticated(error)) throw error;
    } finally {
      if (this.#signIns === signIns) await this.#store.set(undefined);
    }
  }

  async accessToken(): Promise<string | undefined> {
    const tokens = await this.#store.get();
    if (tokens === undefined || !this.#isDue(tokens)) return tokens?.accessToken;
    try {
      return await this.#renew(tokens);
    } catch (error) {
      // The access token may be good for a while yet.
      if (isTransient(error)) return tokens.accessToken;
      throw error;
    }
  }

  async replace(refused: string): Promise<string | undefined> {
    const tokens = await this.#store.get();
    // Another call, or another page, was faster.
    if (tokens?.accessToken !== refused) return tokens?.accessToken;
    return this.#renew(tokens);
  }

  #isDue({ accessTokenExpiresAt }: Tokens): boolean {
    const now = this.#clock();
    return now >= accessTokenExpiresAt - renewBeforeMs && now >= this.#renewedAt + renewAgainMs;
  }

  /** Renews once for all calls that ask at the same time. */
  #renew(tokens: Tokens): Promise<string | undefined> {
    if (this.#renewal?.refreshToken === tokens.refreshToken) return this.#renewal.done;
    const renewal = { refreshToken: tokens.refreshToken, done: this.#refresh(tokens) };
    this.#renewal = renewal;
    const end = () => {
      if (this.#renewal === renewal) this.#renewal = undefined;
    };
    renewal.done.then(end, end);
    return renewal.done;
  }

  async #refresh(spent: Tokens): Promise<string | undefined> {
    const { refreshToken } = spent;
    const call = () => this.#auth.refreshToken({ refreshToken }, { timeoutMs: refreshTimeoutMs });
    try {
      const { tokens } = await retry(call, undefined, refreshFailuresMax);
      this.#renewedAt = this.#clock();
      return await this.#exchange(spent, fromWire(tokens));
    } catch (error) {
      const current = isUnauthenticated(error) ? await this.#exchange(spent, undefined) : undefined;
      if (current === undefined) throw error;
      return current;
    }
  }

  /** Stores `next`, unless somebody has signed out or in meanwhile. Returns the access token that counts now. */
  async #exchange(spent: Tokens, next: Tokens | undefined): Promise<string | undefined> {
    const current = await this.#store.get();
    if (current?.refreshToken !== spent.refreshToken) return current?.accessToken;
    await this.#store.set(next);
    return next?.accessToken;
  }
}
