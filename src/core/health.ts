/** Whether this process should be sent calls: it is not stopping, and its database answers. */
export class Health {
  readonly #ping: () => Promise<unknown>;
  #stopping = false;

  constructor(ping: () => Promise<unknown>) {
    this.#ping = ping;
  }

  async isReady(): Promise<boolean> {
    if (this.#stopping) return false;
    try {
      await this.#ping();
      return true;
    } catch {
      return false;
    }
  }

  stopping(): void {
    this.#stopping = true;
  }
}
