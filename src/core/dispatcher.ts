import type { ImageJob } from "../model/image-job.ts";
import { confirmPublished, type Timing } from "../model/job-life.ts";
import { encodeJob, jobMessageId } from "../model/messages.ts";
import type { Clock } from "../ports/clock.ts";
import type { JobTokens } from "../ports/credentials.ts";
import type { Log } from "../ports/log.ts";
import { type OutgoingMessage, type Queue, sendMaxBytes } from "../ports/queue.ts";
import type { JobRecords } from "./job-records.ts";

const batchMax = 100;
/** More than this wait in the database alone; the sweeper brings them back. */
const waitingMax = 1000;

/**
 * Publishes jobs that are stored and not sent. Whoever hands a job over has reserved its publish (`dispatchAt`); if
 * this process dies or the broker is away, the reservation lapses and the sweeper hands it over again.
 */
export class Dispatcher {
  readonly #records: JobRecords;
  readonly #queue: Queue;
  readonly #tokens: JobTokens;
  readonly #clock: Clock;
  readonly #timing: Timing;
  readonly #log: Log;
  #waiting: ImageJob[] = [];
  #publishing: Promise<void> | undefined;

  constructor(deps: {
    records: JobRecords;
    jobQueue: Queue;
    jobTokens: JobTokens;
    clock: Clock;
    timing: Timing;
    log: Log;
  }) {
    this.#records = deps.records;
    this.#queue = deps.jobQueue;
    this.#tokens = deps.jobTokens;
    this.#clock = deps.clock;
    this.#timing = deps.timing;
    this.#log = deps.log;
  }

  /** For how long a publish is reserved. */
  get publishMs(): number {
    return this.#timing.publishMs;
  }

  /** Publishes the job soon; what comes meanwhile goes in one send. */
  dispatch(job: ImageJob): void {
    if (this.#waiting.length >= waitingMax) return;
    this.#waiting.push(job);
    this.#publishing ??= this.#publishAll().finally(() => {
      this.#publishing = undefined;
    });
  }

  /** Resolves when everything handed over was sent, or could not be. */
  async idle(): Promise<void> {
    await this.#publishing;
  }

  async #publishAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const jobs = this.#waiting.splice(0, batchMax);
      try {
        const messages = await Promise.all(jobs.map((job) => this.#message(job)));
        const count = countFitting(messages);
        this.#waiting.unshift(...jobs.splice(count));
        await this.#queue.send(messages.slice(0, count));
        await Promise.all(jobs.map((job) => this.#confirm(job)));
      } catch (error) {
        this.#log.warn({ err: error, jobs: jobs.length }, "jobs could not be published; they will be again");
      }
    }
  }

  async #message(job: ImageJob): Promise<OutgoingMessage> {
    const token = await this.#tokens.issue({ jobId: job.id, attempt: null }, job.deadline);
    return { id: jobMessageId(job), body: encodeJob(job, token) };
  }

  async #confirm({ id, dispatch }: ImageJob): Promise<void> {
    await this.#records.change(id, (job) => confirmPublished(job, dispatch, this.#clock(), this.#timing));
  }
}

/** How many go in one send, from the first on; at least one. */
function countFitting(messages: readonly OutgoingMessage[]): number {
  let bytes = 0;
  for (const [index, { body }] of messages.entries()) {
    bytes += body.length;
    if (bytes > sendMaxBytes) return Math.max(1, index);
  }
  return messages.length;
}
