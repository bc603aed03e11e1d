/** What an operator must say before an engine can be used; servers list, and workers load, what is here. */
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
