import { setTimeout as delay } from "node:timers/promises";
import { hasEnded } from "../model/image-job.ts";
import { bury, finish, type Timing } from "../model/job-life.ts";
import { decodeJob, decodeResult, type JobMessage, MalformedMessage, type Result } from "../model/messages.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { type Consumer, complete, type IncomingMessage, type Queue, type Settlement } from "../ports/queue.ts";
import { StoreUnavailable } from "../ports/store-errors.ts";
import type { Images } from "./images.ts";
import type { JobQueues } from "./job-queues.ts";
import type { JobRecords } from "./job-records.ts";

const concurrency = 16;
/** Between two tries while the database is away. */
const againMs = 1000;

/** The one reader of results, and of jobs that the queue gave up on: it writes them to the database, polls read there. */
export class Results {
  readonly #records: JobRecords;
  readonly #images: Images;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #timing: Timing;
  readonly #jobQueues: JobQueues;
  readonly #resultQueue: Queue;
  #stopping = false;
  #consumers: Consumer[] = [];

  constructor(deps: {
    records: JobRecords;
    images: Images;
    jobQueues: JobQueues;
    resultQueue: Queue;
    clock: Clock;
    log: Log;
    timing: Timing;
  }) {
    this.#records = deps.records;
    this.#images = deps.images;
    this.#jobQueues = deps.jobQueues;
    this.#resultQueue = deps.resultQueue;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#timing = deps.timing;
  }

  start(): void {
    this.#consumers = [
      this.#resultQueue.consume((message) => this.#retry(() => this.#read(message)), { concurrency }),
      ...this.#jobQueues.all.map((queue) =>
        queue.consumeDeadLetters((message) => this.#retry(() => this.#readDead(message))),
      ),
    ];
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#consumers.map((consumer) => consumer.stop()));
  }

  /** Waits while the database is away: giving the message back would only use up its deliveries. */
  async #retry(read: () => Promise<Settlement>): Promise<Settlement> {
    for (;;) {
      try {
        return await read();
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
      }
      if (this.#stopping) return { kind: "abandon", delayMs: 0 };
      await delay(againMs);
    }
  }

  async #accept(result: Result): Promise<Settlement> {
    const job = await this.#records.store.get(result.jobId);
    if (job === undefined) return discard("UnknownJob", "message_id names no job that is kept");
    if (finish(job, result.attempt, result.outcome, this.#clock()) === job) return complete;
    // The pictures become the owner's before the job says so: whoever sees SUCCEEDED can fetch them.
    const until = this.#clock() + this.#timing.keepMs;
    if (result.outcome.kind === "succeeded" && !(await this.#images.adopt(result.outcome.imageIds, job, until))) {
      return discard("ForeignPicture", "the result names a picture that was not uploaded for its job");
    }
    await this.#records.change(job, (current) => finish(current, result.attempt, result.outcome, this.#clock()));
    return complete;
  }

  async #bury({ message_id, dispatch }: JobMessage): Promise<void> {
    const job = await this.#records.store.get(message_id);
    if (job === undefined || hasEnded(job)) return;
    await this.#records.change(job, (current) => bury(current, dispatch, this.#clock()));
  }

  async #read(message: IncomingMessage): Promise<Settlement> {
    const result = this.#decode(message, decodeResult);
    return result instanceof MalformedMessage ? discard("Malformed", result.message) : this.#accept(result);
  }

  async #readDead(message: IncomingMessage): Promise<Settlement> {
    const job = this.#decode(message, decodeJob);
    if (!(job instanceof MalformedMessage)) await this.#bury(job);
    return complete;
  }

  #decode<T>(message: IncomingMessage, decode: (body: Uint8Array) => T): T | MalformedMessage {
    try {
      return decode(message.body);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.#log.warn({ message_id: message.id, reason: error.message }, "a malformed message was put aside");
      return error;
    }
  }
}

function discard(reason: string, description: string): Settlement {
  return { kind: "deadLetter", reason, description };
}
