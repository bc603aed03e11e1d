import { oncePerMinute } from "../../helpers/once-per-minute.ts";
import type { ImageJob } from "../../model/image-job.ts";
import { encodeJob, jobMessageId } from "../../model/queue-messages.ts";
import type { JobTokens } from "../../ports/credentials.ts";
import type { Log } from "../../ports/log.ts";
import { type OutgoingMessage, type Queue, sendMaxBytes } from "../../ports/queue.ts";
import type { JobQueues } from "./job-queues.ts";
import type { SentJobs } from "./sent-jobs.ts";

const batchMax = 100;
/** The most jobs that wait here. Further ones wait in the database alone, until the sweeper hands them over again. */
const waitingMax = 1000;

interface DispatcherDeps {
  readonly jobQueues: JobQueues;
  readonly jobTokens: JobTokens;
  readonly sent: SentJobs;
  readonly log: Log;
}

/**
 * Publishes jobs that are stored and not sent. Whoever hands a job over has reserved its publish (`dispatchAt`); if
 * this process dies or the broker is away, the reservation lapses and the sweeper hands it over again.
 */
export class Dispatcher {
  readonly #deps: DispatcherDeps;
  /** For each queue that was away. */
  readonly #warnings = new Map<Queue, (error: Error, jobs: number) => void>();
  #waiting: ImageJob[] = [];
  #publishing: Promise<void> | undefined;

  constructor(deps: DispatcherDeps) {
    this.#deps = deps;
  }

  /** Publishes the job soon; jobs that come meanwhile share one send. */
  dispatch(job: ImageJob): void {
    if (this.#waiting.length >= waitingMax) return;
    this.#waiting.push(job);
    this.#publishing ??= this.#publishAll();
  }

  /** Resolves when everything handed over was sent and noted, or could not be. */
  async idle(): Promise<void> {
    await this.#publishing;
    await this.#deps.sent.noteAll();
  }

  async #publishAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const jobs = this.#waiting.splice(0, batchMax);
      const batches = Map.groupBy(jobs, ({ modelType }) => this.#deps.jobQueues.of(modelType));
      await Promise.all([...batches].map(([queue, batch]) => this.#publish(queue, batch)));
    }
    // In the same step as the loop's last check: a job handed over between the two would be left to the sweeper.
    this.#publishing = undefined;
  }

  async #publish(queue: Queue, jobs: readonly ImageJob[]): Promise<void> {
    let sent = 0;
    try {
      const messages = jobs.map((job) => this.#message(job));
      while (sent < jobs.length) {
        const end = sent + countFitting(messages.slice(sent));
        await queue.send(messages.slice(sent, end));
        this.#deps.sent.add(jobs.slice(sent, end));
        sent = end;
      }
    } catch (error) {
      this.#warn(queue, error as Error, jobs.length - sent + this.#leaveWaiting(queue));
    }
  }

  #warn(queue: Queue, error: Error, jobs: number): void {
    const warn = this.#warnings.getOrInsertComputed(queue, () =>
      oncePerMinute((err, jobs) => {
        this.#deps.log.warn({ err, jobs }, "jobs could not be published; they will be again");
      }),
    );
    warn(error, jobs);
  }

  /**
   * Leaves jobs that wait for an unreachable queue to the sweeper: each try may take as long as a job's reservation.
   * Returns their number.
   */
  #leaveWaiting(queue: Queue): number {
    const waiting = this.#waiting;
    this.#waiting = waiting.filter(({ modelType }) => this.#deps.jobQueues.of(modelType) !== queue);
    return waiting.length - this.#waiting.length;
  }

  #message(job: ImageJob): OutgoingMessage {
    const token = this.#deps.jobTokens.issue({ jobId: job.id, attempt: null }, job.deadline);
    return { id: jobMessageId(job), body: encodeJob(job, token) };
  }
}

/** How many of the first messages fit in one send; at least one. */
function countFitting(messages: readonly OutgoingMessage[]): number {
  let bytes = 0;
  for (const [index, { body }] of messages.entries()) {
    bytes += body.length;
    if (bytes > sendMaxBytes) return Math.max(1, index);
  }
  return messages.length;
}
