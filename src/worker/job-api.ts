import pRetry from "p-retry";
import { bearer, type Darkroom, describe, isTransient, reasonOf } from "../client/index.ts";
import { imageBrokenOff } from "../model/image.ts";
import type { Log } from "../ports/log.ts";

export interface Claim {
  readonly attempt: number;
  /** Good for this attempt's heartbeats and pictures. */
  readonly token: string;
  readonly leaseMs: number;
}

/** Options for p-retry: how a worker repeats a call that must not be given up. */
export const untilTaken = { retries: Number.POSITIVE_INFINITY, minTimeout: 200, maxTimeout: 1000, randomize: true };

const pingMs = 5000;
const claimMs = 30_000;

/**
 * What a worker asks a server for. While no server answers, a call waits and tries again until `signal` aborts: giving
 * the message back would only use up its deliveries. A picture that breaks off is not waited for: it may do so for ever.
 * The log is told once that none answers, and once that one does again.
 */
export class JobApi {
  #darkroom: Darkroom;
  readonly #log: Log;
  #isAway = false;

  constructor(darkroom: Darkroom, log: Log) {
    this.#darkroom = darkroom;
    this.#log = log;
  }

  /** Later calls, and those that are tried again, go to this server. */
  moveTo(darkroom: Darkroom): void {
    this.#darkroom = darkroom;
  }

  /** Rejects when no server answers. A server that answers need not be ready. */
  async ping(): Promise<void> {
    await this.#darkroom.health.check({}, { timeoutMs: pingMs });
  }

  /** Resolves when a server answers, or `closing` aborts. */
  find(closing: AbortSignal): Promise<void> {
    return this.#ask(closing, closing, () => this.ping()).catch((error: unknown) => {
      if (!closing.aborted) this.#silent(error);
    });
  }

  /** Claims the job. Tries again only until `closing` aborts: a worker that stops need not begin. */
  claim(token: string, dispatch: number, closing: AbortSignal, signal: AbortSignal): Promise<Claim> {
    return this.#ask(signal, closing, async () => {
      const options = { ...bearer(token, signal), timeoutMs: claimMs };
      const claimed = await this.#darkroom.worker.claimJob({ dispatch }, options);
      const leaseMs = Number(claimed.lease?.seconds ?? 0) * 1000 + (claimed.lease?.nanos ?? 0) / 1e6;
      return { attempt: claimed.attempt, token: claimed.jobToken, leaseMs };
    });
  }

  /** Sent once, without retries: the next heartbeat follows soon. */
  async heartbeat(token: string, progress: number, signal: AbortSignal): Promise<void> {
    await this.#darkroom.worker.heartbeat({ progress }, bearer(token, signal));
  }

  picture(token: string, imageId: string, signal: AbortSignal): Promise<Uint8Array> {
    return this.#ask(signal, signal, async () => {
      const pieces: Uint8Array[] = [];
      for await (const { data } of this.#darkroom.jobs.getImage({ imageId }, bearer(token, signal))) pieces.push(data);
      return Buffer.concat(pieces);
    });
  }

  /** The id of the stored picture. */
  store(token: string, picture: Uint8Array, signal: AbortSignal): Promise<string> {
    return this.#ask(signal, signal, async () => {
      const { image } = await this.#darkroom.jobs.uploadImage({ data: picture }, bearer(token, signal));
      return image?.id ?? "";
    });
  }

  #ask<T>(signal: AbortSignal, closing: AbortSignal, call: () => Promise<T>): Promise<T> {
    const asked = async () => {
      const answer = await call();
      this.#answered();
      return answer;
    };
    return pRetry(asked, {
      ...untilTaken,
      signal,
      onFailedAttempt: ({ error, attemptNumber }) => {
        if (reasonOf(error) !== undefined) this.#answered();
        // A connection that was closed while it was idle fails a first try.
        else if (isTransient(error) && attemptNumber > 1 && !closing.aborted) this.#silent(error);
      },
      shouldRetry: ({ error }) => isTransient(error) && reasonOf(error) !== imageBrokenOff && !closing.aborted,
    });
  }

  #silent(error: unknown): void {
    if (this.#isAway) return;
    this.#isAway = true;
    this.#log.warn({ reason: describe(error) }, "no server answers at DARKROOM_SERVER_URL; jobs wait for it");
  }

  #answered(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    this.#log.info({}, "a server answers again");
  }
}
