import type { ImageJob } from "../model/image-job.ts";
import { confirmPublished, type Timing } from "../model/job-life.ts";
import { encodeJob, jobMessageId } from "../model/messages.ts";
import type { Clock } from "../ports/clock.ts";
import type { JobTokens } from "../ports/credentials.ts";
import type { Log } from "../ports/log.ts";
import { type OutgoingMessage, type Queue, sendMaxBytes } from "../ports/queue.ts";
import type { JobQueues } from "./job-queues.ts";
import type { JobRecords } from "./job-records.ts";

const batchMax = 100;
/** More than this wait in the database alone; the sweeper brings them back. */
const waitingMax = 1000;
/** Workers that never claim may have had the job for long: to send it again is to have it done twice. */
const resendOthersMs = 60 * 60 * 1000;

/**
 * Publishes jobs that are stored and not sent. Whoever hands a job over has reserved its publish (`dispatchAt`); if
 * this process dies or the broker is away, the reservation lapses and the sweeper hands it over again.
 */
export class Dispatcher {
  readonly #records: JobRecords;
  readonly #queues: JobQueues;
  readonly #tokens: JobTokens;
  readonly #clock: Clock;
  readonly #timing: Timing;
  readonly #log: Log;
  #waiting: ImageJob[] = [];
  #publishing: Promise<void> | undefined;

  constructor(deps: {
    records: JobRecords;
    jobQueues: JobQueues;
    jobTokens: JobTokens;
    clock: Clock;
    timing: Timing;
    log: Log;
  }) {
    this.#records = deps.records;
    this.#queues = deps.jobQueues;
    this.#tokens = deps.jobTokens;
    this.#clock = deps.clock;
    this.#timing = deps.timing;
    this.#log = deps.log;
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
      const batches = Map.groupBy(jobs, ({ modelType }) => this.#queues.of(modelType));
      await Promise.all([...batches].map(([queue, batch]) => this.#publish(queue, batch)));
    }
  }

  async #publish(queue: Queue, jobs: readonly ImageJob[]): Promise<void> {
    try {
      const messages = jobs.map((job) => this.#message(job));
      for (let from = 0, count = 0; from < jobs.length; from += count) {
        count = countFitting(messages.slice(from));
        await queue.send(messages.slice(from, from + count));
        await Promise.all(jobs.slice(from, from + count).map((job) => this.#confirm(job)));
      }
    } catch (error) {
      this.#log.warn({ err: error, jobs: jobs.length }, "jobs could not be published; they will be again");
    }
  }

  #message(job: ImageJob): OutgoingMessage {
    const token = this.#tokens.issue({ jobId: job.id, attempt: null }, job.deadline);
    return { id: jobMessageId(job), body: encodeJob(job, token) };
  }

  async #confirm(job: ImageJob): Promise<void> {
    const isClaimed = this.#queues.areClaimed(job.modelType);
    const timing = isClaimed ? this.#timing : { ...this.#timing, resendMs: resendOthersMs };
    await this.#records.change(job, (current) => confirmPublished(current, job.dispatch, this.#clock(), timing));
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
