import { setTimeout as delay } from "node:timers/promises";
import { bury, finish, type Timing } from "../../model/job-life.ts";
import { decodeJob, decodeResult, type JobMessage, MalformedMessage, type Result } from "../../model/queue-messages.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import { type Consumer, complete, type IncomingMessage, type Queue, type Settlement } from "../../ports/queue.ts";
import { StoreUnavailable } from "../../ports/store-errors.ts";
import type { Images } from "../images/images.ts";
import type { JobQueues } from "./job-queues.ts";
import type { JobRecords } from "./job-records.ts";

const concurrency = 16;
/** Between two tries while the database is away. */
const againMs = 1000;

const unknownJob = discard("UnknownJob", "message_id names no job that is kept");

interface ResultsDeps {
  readonly records: JobRecords;
  readonly images: Images;
  readonly jobQueues: JobQueues;
  readonly resultQueue: Queue;
  readonly clock: Clock;
  readonly log: Log;
  readonly timing: Timing;
}

/** The one reader of results, and of jobs that the queue gave up on: it writes them to the database, polls read there. */
export class Results {
  readonly #deps: ResultsDeps;
  #stopping = false;
  #consumers: Consumer[] = [];

  constructor(deps: ResultsDeps) {
    this.#deps = deps;
  }

  start(): void {
    const { jobQueues, resultQueue } = this.#deps;
    this.#consumers = [
      resultQueue.consume((message) => this.#retry(() => this.#read(message)), { concurrency }),
      ...[...jobQueues.all].map(([name, queue]) =>
        queue.consumeDeadLetters((message) => this.#retry(() => this.#readDead(name, message))),
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
    const { records, images, clock, timing } = this.#deps;
    const job = await records.store.get(result.jobId);
    if (job === undefined) return unknownJob;
    if (finish(job, result.attempt, result.outcome, clock()) === job) return complete;
    // The pictures become the owner's before the job says so: whoever sees SUCCEEDED can fetch them.
    const until = clock() + timing.keepMs;
    if (result.outcome.kind === "succeeded" && !(await images.adopt(result.outcome.imageIds, job, until))) {
      return discard("ForeignPicture", "the result names a picture that was not uploaded for its job");
    }
    const kept = await records.changeKept(job, (current) => finish(current, result.attempt, result.outcome, clock()));
    return kept === undefined ? unknownJob : complete;
  }

  async #bury({ message_id, dispatch }: JobMessage): Promise<void> {
    const { records, clock } = this.#deps;
    const job = await records.store.get(message_id);
    if (job === undefined) return;
    await records.changeKept(job, (current) => bury(current, dispatch, clock()));
  }

  async #read(message: IncomingMessage): Promise<Settlement> {
    const result = decoded(message, decodeResult);
    if (!(result instanceof MalformedMessage)) return this.#accept(result);
    this.#deps.log.warn({ message_id: message.id, reason: result.message }, "a malformed message was put aside");
    return discard("Malformed", result.message);
  }

  async #readDead(queue: string, message: IncomingMessage): Promise<Settlement> {
    const job = decoded(message, decodeJob);
    if (!(job instanceof MalformedMessage)) await this.#bury(job);
    else {
      const fields = { queue, message_id: message.id, reason: job.message };
      this.#deps.log.warn(fields, "a malformed message was deleted from a queue's dead letters");
    }
    return complete;
  }
}

function decoded<T>({ body }: IncomingMessage, decode: (body: Uint8Array) => T): T | MalformedMessage {
  try {
    return decode(body);
  } catch (error) {
    if (error instanceof MalformedMessage) return error;
    throw error;
  }
}

function discard(reason: string, description: string): Settlement {
  return { kind: "deadLetter", reason, description };
}
