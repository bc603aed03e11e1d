import { setImmediate } from "node:timers/promises";

/**
 * Runs pieces of work that share a key one after the other, in the order in which they came, and all others at once. One
 * that has waited begins in another turn of the event loop, so that what came meanwhile is done in between.
 */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  async take<T>(keys: readonly string[], work: (hasWaited: boolean) => Promise<T>): Promise<T> {
    const earlier = keys.flatMap((key) => this.#last.get(key) ?? []);
    const mine = earlier.length === 0 ? work(false) : Promise.all(earlier).then(() => work(true));
    const over = Promise.allSettled([mine]).then(() => setImmediate());
    for (const key of keys) this.#last.set(key, over);
    void over.then(() => {
      for (const key of keys) if (this.#last.get(key) === over) this.#last.delete(key);
    });
    return mine;
  }
}
