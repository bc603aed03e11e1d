import type { ImageJob } from "../../model/image-job.ts";
import { confirmPublished, type Timing } from "../../model/job-life.ts";
import { hourMs, minuteMs } from "../../model/time.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { JobQueues } from "./job-queues.ts";
import type { JobRecords } from "./job-records.ts";

/**
 * How long a note waits. By then most jobs are claimed and need none: a write less for each, and none that competes
 * with its claim. Far below `publishMs`.
 */
const noteAfterMs = 1000;
const batchMax = 100;
/** For queues whose workers may not claim: one may have had the job for long, and sending it again would have it done twice. */
const resendOthersMs = hourMs;
/** A worker without the job's model gives its message back for about this long, and then leaves the job to be sent again. */
const resendLeftMs = 4 * minuteMs;

interface Sent {
  readonly id: string;
  readonly dispatch: number;
}

interface SentJobsDeps {
  readonly records: JobRecords;
  readonly jobQueues: JobQueues;
  readonly clock: Clock;
  readonly timing: Timing;
  readonly log: Log;
}

/** Notes a moment later which jobs a queue has taken, so that they are sent again only if nobody claims them for long. */
export class SentJobs {
  readonly #deps: SentJobsDeps;
  #waiting: Sent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #noting: Promise<void> = Promise.resolve();

  constructor(deps: SentJobsDeps) {
    this.#deps = deps;
  }

  add(jobs: readonly ImageJob[]): void {
    for (const { id, dispatch } of jobs) this.#waiting.push({ id, dispatch });
    this.#timer ??= setTimeout(() => this.noteAll(), noteAfterMs);
  }

  /** Resolves when everything that was added is noted, or could not be. */
  noteAll(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const jobs = this.#waiting;
    this.#waiting = [];
    this.#noting = this.#noting.then(() => this.#noteInBatches(jobs));
    return this.#noting;
  }

  async #noteInBatches(jobs: readonly Sent[]): Promise<void> {
    try {
      for (let from = 0; from < jobs.length; from += batchMax) await this.#note(jobs.slice(from, from + batchMax));
    } catch (error) {
      const { log } = this.#deps;
      log.warn({ err: error, jobs: jobs.length }, "jobs could not be noted as sent; they will be sent again");
    }
  }

  async #note(jobs: readonly Sent[]): Promise<void> {
    const found = await this.#deps.records.store.getMany(jobs.map(({ id }) => id));
    const dispatchOf = new Map(jobs.map(({ id, dispatch }) => [id, dispatch]));
    await Promise.all(found.map((job) => this.#confirm(job, dispatchOf.get(job.id) ?? 0)));
  }

  async #confirm(job: ImageJob, dispatch: number): Promise<void> {
    const { records, jobQueues, clock, timing } = this.#deps;
    const resending = resendingOf(job.modelType, jobQueues, timing);
    await records.changeKept(job, (current) => confirmPublished(current, dispatch, clock(), resending));
  }
}

function resendingOf(model: string, jobQueues: JobQueues, timing: Timing): Timing {
  if (!jobQueues.areClaimed(model)) return { ...timing, resendMs: resendOthersMs };
  return jobQueues.mayBeLeft(model) ? { ...timing, resendMaxMs: resendLeftMs } : timing;
}
