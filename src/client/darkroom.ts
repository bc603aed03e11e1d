import type { Interceptor, Transport } from "@connectrpc/connect";
import { type Account, type Api, apiOver } from "./api.ts";
import { unlessSilent } from "./call.ts";
import { type CredentialSource, withCredential } from "./credential.ts";
import { type Developed, type DevelopOptions, develop, result, type WaitOptions } from "./develop.ts";
import { type DevelopedPicture, fetchPicture, type Picture } from "./pictures.ts";
import { retry } from "./retry.ts";
import { Session } from "./session.ts";
import { type TokenStore, tokensInMemory } from "./tokens.ts";

export interface DarkroomOptions {
  /** Where the session's tokens are kept; in memory when not given. */
  readonly tokens?: TokenStore | undefined;
  /** Sent with every call in place of signing in: any credential that the server takes as a bearer. */
  readonly credential?: string | undefined;
  /** Milliseconds since 1970; `Date.now` when not given. */
  readonly clock?: (() => number) | undefined;
}

export interface NewAccount {
  readonly username?: string;
  readonly email?: string;
  readonly password: string;
}

/** The typed clients with whoever is signed in, and what most callers want of them. */
export interface DarkroomClient extends Api {
  /** Makes an account and signs in with it. */
  signUp(account: NewAccount): Promise<Account | undefined>;
  /** `identity` is the username or the email address. */
  signIn(identity: string, password: string): Promise<Account | undefined>;
  /** Ends the session. The tokens are forgotten in any case; rejects when the server could not be told. */
  signOut(): Promise<void>;
  /** For requests of your own, such as `GET /download/…`: a token that works, or undefined when nobody is signed in. */
  accessToken(): Promise<string | undefined>;
  /**
   * Uploads the picture, submits it, watches it being developed and fetches the result. What fails for reasons that
   * pass is tried again. Rejects with `DevelopError` when the job ended without a picture, with `ConnectError` when the
   * server refused or stayed away, and with the signal's reason once it aborts, after the job was cancelled.
   */
  develop(picture: Picture, prompt: string, options?: DevelopOptions): Promise<Developed>;
  /** The second half of `develop`, for a job that was submitted before. An abort ends the waiting, not the job. */
  result(jobId: string, options?: WaitOptions): Promise<Developed>;
  /** Reads a picture, input or output. */
  picture(imageId: string, options?: { readonly signal?: AbortSignal }): Promise<DevelopedPicture>;
}

export function darkroomOver(
  open: (interceptors: Interceptor[]) => Transport,
  { tokens = tokensInMemory(), credential, clock = Date.now }: DarkroomOptions,
): DarkroomClient {
  const source = (): CredentialSource => (credential === undefined ? session : fixed(credential));
  const interceptor = withCredential({
    accessToken: () => source().accessToken(),
    replace: (refused) => source().replace(refused),
  });
  const { auth, jobs } = apiOver(open([interceptor]));
  const session = new Session(auth, tokens, clock);
  return {
    auth,
    jobs,
    async signUp(account) {
      const made = await auth.signUp(account, unlessSilent);
      await session.signIn(made.account?.username ?? account.username ?? "", account.password);
      return made.account;
    },
    signIn: (identity, password) => session.signIn(identity, password),
    signOut: () => session.signOut(),
    accessToken: () => source().accessToken(),
    develop: (picture, prompt, options) => develop(jobs, picture, prompt, options),
    result: (jobId, options) => result(jobs, jobId, options),
    picture: (imageId, { signal } = {}) => retry(() => fetchPicture(jobs, imageId, signal), signal),
  };
}

function fixed(credential: string): CredentialSource {
  return { accessToken: async () => credential, replace: async () => undefined };
}
