/** Runs pieces of work that share a key one after the other, in the order in which they came, and all others at once. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  async take<T>(keys: readonly string[], work: () => Promise<T>): Promise<T> {
    const earlier = Promise.allSettled(keys.map((key) => this.#last.get(key)));
    const mine = earlier.then(work);
    for (const key of keys) this.#last.set(key, mine);
    try {
      return await mine;
    } finally {
      for (const key of keys) if (this.#last.get(key) === mine) this.#last.delete(key);
    }
  }
}
