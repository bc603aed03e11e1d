/** The operator's settings that several rooms read. */

/** Where `/v1/*` goes, and its limits. */
export interface RelaySettings {
  /** Without a slash at its end; the path follows. */
  readonly upstreamUrl: string;
  /** How long the upstream may be silent, before its answer and within it. */
  readonly silenceMs: number;
  /** Bytes of a request's body. */
  readonly bodyMax: number;
  /** Calls that are open at a time. */
  readonly callsMax: number;
}

/** The settings that engines need; servers list models by them, and workers load engines by them. */
export interface EngineSettings {
  /** Undefined when there is no such server. */
  readonly sdWebui: SdWebuiSettings | undefined;
}

/** A server with AUTOMATIC1111's API. */
export interface SdWebuiSettings {
  /** Without credentials and without a slash at the end. */
  readonly url: string;
  /** For all pictures of one job. */
  readonly timeoutMs: number;
  /** `user:password`, sent by HTTP's basic scheme. */
  readonly credentials: string | undefined;
}

/** The systems whose callers moved over; each one's routes can be left out. */
export const oldApis = ["pocketbase", "supabase", "relay", "sessions", "template"] as const;
export type OldApi = (typeof oldApis)[number];

/** PEM. */
export interface Tls {
  readonly cert: string;
  readonly key: string;
}

/** Whether an address is one of the proxies whose word on a request's origin is trusted; undefined to trust none. */
export type TrustedProxies = ((address: string, hops: number) => boolean) | undefined;
