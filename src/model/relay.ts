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
