import pRetry from "p-retry";
import { bearer, type Darkroom, isTransient } from "../client/index.ts";

export interface Claim {
  readonly attempt: number;
  /** Good for this attempt's heartbeats and pictures. */
  readonly token: string;
  readonly leaseMs: number;
}

const pingMs = 5000;
const retryMinMs = 200;
const retryMaxMs = 1000;

/**
 * What a worker asks a server for. While no server answers, a call waits and tries again until `signal` aborts: giving
 * the message back would only use up its deliveries.
 */
export class JobServer {
  readonly #darkroom: Darkroom;

  constructor(darkroom: Darkroom) {
    this.#darkroom = darkroom;
  }

  /** Rejects when no server answers; whether that one is ready is its own affair. */
  async ping(): Promise<void> {
    await this.#darkroom.health.check({}, { timeoutMs: pingMs });
  }

  /** Tries once more only while `closing` has not aborted: a worker that stops need not begin. */
  claim(token: string, dispatch: number, closing: AbortSignal): Promise<Claim> {
    return retry(undefined, closing, async () => {
      const claimed = await this.#darkroom.worker.claimJob({ dispatch }, bearer(token));
      const leaseMs = Number(claimed.lease?.seconds ?? 0) * 1000 + (claimed.lease?.nanos ?? 0) / 1e6;
      return { attempt: claimed.attempt, token: claimed.jobToken, leaseMs };
    });
  }

  /** Once: the next one follows soon. */
  async heartbeat(token: string, progress: number, signal: AbortSignal): Promise<void> {
    await this.#darkroom.worker.heartbeat({ progress }, bearer(token, signal));
  }

  picture(token: string, imageId: string, signal: AbortSignal): Promise<Uint8Array> {
    return retry(signal, signal, async () => {
      const pieces: Uint8Array[] = [];
      for await (const { data } of this.#darkroom.jobs.getImage({ imageId }, bearer(token, signal))) pieces.push(data);
      return Buffer.concat(pieces);
    });
  }

  /** The id of the stored picture. */
  store(token: string, picture: Uint8Array, signal: AbortSignal): Promise<string> {
    return retry(signal, signal, async () => {
      const { image } = await this.#darkroom.jobs.uploadImage({ data: picture }, bearer(token, signal));
      return image?.id ?? "";
    });
  }
}

function retry<T>(signal: AbortSignal | undefined, closing: AbortSignal, call: () => Promise<T>): Promise<T> {
  return pRetry(call, {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: retryMinMs,
    maxTimeout: retryMaxMs,
    randomize: true,
    signal,
    shouldRetry: ({ error }) => isTransient(error) && !closing.aborted,
  });
}
