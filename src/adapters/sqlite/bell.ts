import { closeSync, type FSWatcher, openSync, watch, writeSync } from "node:fs";

/**
 * Tells every process that has the queue open that there is something to look at: a byte is written to a file that all
 * of them watch. It is only a hint, takes a few microseconds and need not survive: a process that misses it polls.
 */
export class Bell {
  readonly #file: number;
  /** Undefined where the system gives no more watchers: then polling alone is left. */
  readonly #watcher: FSWatcher | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(path: string, onError: (error: unknown) => void) {
    this.#file = openSync(path, "w");
    try {
      this.#watcher = watch(path, () => this.#ringHere());
      this.#watcher.on("error", onError);
    } catch (error) {
      onError(error);
    }
  }

  ring(): void {
    writeSync(this.#file, "!", 0);
    this.#ringHere();
  }

  /** Calls `listener` at every ring; returns how to end that. */
  onRing(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#watcher?.close();
    closeSync(this.#file);
  }

  #ringHere(): void {
    for (const listener of this.#listeners) listener();
  }
}
