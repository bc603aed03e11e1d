/** Secrets that all processes of one installation share. */
export interface SecretStore {
  /**
   * Resolves to the secret of this name, which `candidate` becomes when there is none. All callers, at once too, get
   * the same one.
   */
  getOrCreate(name: string, candidate: string): Promise<string>;
  /** Writes `value` if the secret is `expected`; false, and nothing written, if not. */
  replace(name: string, expected: string, value: string): Promise<boolean>;
}
