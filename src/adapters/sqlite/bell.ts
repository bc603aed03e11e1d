import { closeSync, type FSWatcher, openSync, watch, writeSync } from "node:fs";
import { oncePerMinute } from "../../helpers/once-per-minute.ts";

/**
 * Tells every process that has the queue open that there is something to look at: a byte is written to a file that all
 * of them watch. It is only a hint, takes a few microseconds and need not survive: a process that misses it polls.
 */
export class Bell {
  readonly #file: number;
  /** Undefined where the system gives no more watchers: then polling alone is left. */
  readonly #watcher: FSWatcher | undefined;
  readonly #listeners: (() => void)[] = [];
  readonly #unheard: (error: Error) => void;

  constructor(path: string, onError: (error: unknown) => void) {
    this.#unheard = oncePerMinute(onError);
    this.#file = openSync(path, "w");
    try {
      this.#watcher = watch(path, () => this.#ringHere());
      this.#watcher.on("error", onError);
    } catch (error) {
      onError(error);
    }
  }

  /** Never throws: what the ring is about is done. */
  ring(): void {
    this.#ringHere();
    try {
      writeSync(this.#file, "!", 0);
    } catch (error) {
      this.#unheard(error as Error);
    }
  }

  /** Calls `listener` at every ring. Consumers live as long as their process, so nobody leaves. */
  onRing(listener: () => void): void {
    this.#listeners.push(listener);
  }

  close(): void {
    this.#watcher?.close();
    closeSync(this.#file);
  }

  #ringHere(): void {
    for (const listener of this.#listeners) listener();
  }
}
