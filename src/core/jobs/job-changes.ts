import { setImmediate } from "node:timers/promises";
import { hasEnded, type ImageJob } from "../../model/image-job.ts";
import type { JobStore } from "../../ports/job-store.ts";
import { type Repeating, repeat } from "../repeat.ts";

type Listener = (job: ImageJob) => void;

/** How often jobs that are watched here are read, for changes that other processes made, and how many in one read. */
const readEveryMs = 500;
const batch = 250;

/** Tells watchers on this process of jobs that changed, here or elsewhere. */
export class JobChanges {
  readonly #store: JobStore;
  readonly #onError: (error: unknown) => void;
  readonly #listeners = new Map<string, Set<Listener>>();
  /** Undefined until somebody watches. */
  #reading: Repeating | undefined;

  constructor(store: JobStore, onError: (error: unknown) => void) {
    this.#store = store;
    this.#onError = onError;
  }

  publish(job: ImageJob): void {
    for (const listener of this.#listeners.get(job.id) ?? []) listener(job);
  }

  /**
   * Yields snapshots of the job newer than `afterVersion`; only the newest when they come faster than they are read.
   * Ends after the terminal snapshot, which is always given, or when `signal` aborts.
   */
  async *watch(jobId: string, afterVersion: number, signal: AbortSignal): AsyncGenerator<ImageJob> {
    const mailbox = new Mailbox(afterVersion);
    const unsubscribe = this.#subscribe(jobId, (job) => mailbox.put(job));
    const wake = () => mailbox.close();
    signal.addEventListener("abort", wake);
    try {
      const job = await this.#store.get(jobId);
      if (job === undefined || signal.aborted) return;
      mailbox.put(job);
      for (let next = await mailbox.take(); next !== undefined; next = await mailbox.take()) {
        yield next;
        if (hasEnded(next)) return;
      }
    } finally {
      signal.removeEventListener("abort", wake);
      unsubscribe();
    }
  }

  async stop(): Promise<void> {
    await this.#reading?.stop();
  }

  #subscribe(jobId: string, listener: Listener): () => void {
    this.#reading ??= repeat(readEveryMs, () => this.#read(), this.#onError);
    const listeners = this.#listeners.getOrInsertComputed(jobId, () => new Set()).add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(jobId);
    };
  }

  /** Each job once, however many watch it. */
  async #read(): Promise<void> {
    const ids = [...this.#listeners.keys()];
    for (let from = 0; from < ids.length; from += batch) {
      for (const job of await this.#store.getMany(ids.slice(from, from + batch))) this.publish(job);
      // An embedded store reads at once: ten thousand jobs in one go would keep calls waiting for half a second.
      await setImmediate();
    }
  }
}

/** Holds the newest snapshot that was not read yet. */
class Mailbox {
  #seen: number;
  #newest: ImageJob | undefined;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(seen: number) {
    this.#seen = seen;
  }

  put(job: ImageJob): void {
    if (job.version <= this.#seen && !hasEnded(job)) return;
    if (this.#newest !== undefined && job.version < this.#newest.version) return;
    this.#newest = job;
    this.#wake?.();
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** The next snapshot, or undefined once closed. */
  async take(): Promise<ImageJob | undefined> {
    while (this.#newest === undefined && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#closed) return undefined;
    const job = this.#newest;
    this.#newest = undefined;
    this.#seen = job?.version ?? this.#seen;
    return job;
  }
}
