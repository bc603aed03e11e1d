import { doAll } from "../helpers/do-all.ts";
import { oncePerMinute } from "../helpers/once-per-minute.ts";
import { auditIdFrom } from "../model/audit.ts";
import { memoryMs } from "../model/guessing.ts";
import { hasEnded, type ImageJob } from "../model/image-job.ts";
import { age, cancelOpen, hasReservedPublish, type Timing } from "../model/job-life.ts";
import { windowMaxMs } from "../model/rate-limits.ts";
import { minuteMs } from "../model/time.ts";
import { dateOf, keepUsageMs } from "../model/usage.ts";
import type { AuditStore } from "../ports/audit-store.ts";
import { type Clock, isRecent } from "../ports/clock.ts";
import type { CounterStore } from "../ports/counter-store.ts";
import type { Log } from "../ports/log.ts";
import type { SessionStore } from "../ports/session-store.ts";
import type { SignInAttemptStore } from "../ports/sign-in-attempt-store.ts";
import { StoreUnavailable } from "../ports/store-errors.ts";
import type { UsageStore } from "../ports/usage-store.ts";
import type { Deletions } from "./accounts/deletions.ts";
import { needAnotherWriter } from "./change-record.ts";
import { inBatches } from "./delete-all.ts";
import type { Files } from "./images/files.ts";
import type { Images } from "./images/images.ts";
import type { Dispatcher } from "./jobs/dispatcher.ts";
import type { JobRecords } from "./jobs/job-records.ts";
import { isOwnerGone, type Owners } from "./jobs/owners.ts";
import { type Repeating, repeat } from "./repeat.ts";

const jobsEveryMs = 250;
/** The gap between two batches that shows that the process stood still, or the clock was set forward. */
const pauseMs = 5000;
const retentionEveryMs = minuteMs;
const batch = 100;
/** How long a job is left alone that could not be swept. */
const stuckMs = minuteMs;
/** After so many the fault is not in single jobs. */
const stuckMax = 1000;

interface SweeperDeps extends Owners {
  readonly records: JobRecords;
  readonly dispatcher: Dispatcher;
  readonly files: Files;
  readonly images: Images;
  readonly deletions: Deletions;
  readonly sessions: SessionStore;
  readonly audit: AuditStore;
  readonly keepAuditMs: number;
  readonly attempts: SignInAttemptStore;
  readonly counters: CounterStore;
  readonly usage: UsageStore;
  readonly clock: Clock;
  readonly timing: Timing;
  readonly log: Log;
}

/**
 * Does what happens by time alone: leases and deadlines that pass, jobs to be sent (again), and records to be deleted.
 * Any number of processes may sweep at once: each change is conditional.
 */
export class Sweeper {
  readonly #deps: SweeperDeps;
  /** A backlog may take minutes to sweep, and a stop must not. */
  readonly #stopping = new AbortController();
  #tasks: Repeating[] = [];
  /** The start, the end of a pause of this process, or when the database was last seen away. */
  #renewableSince: number;
  #sweptAt: number;
  /** Jobs that could not be swept, and since when: they would be the first to be swept again, in place of others. */
  readonly #stuck = new Map<string, number>();
  readonly #tellOfJobs = oncePerMinute((err: Error, job?: string) => this.#tell(err, job));

  constructor(deps: SweeperDeps) {
    this.#deps = deps;
    this.#renewableSince = deps.clock();
    this.#sweptAt = this.#renewableSince;
  }

  start(): void {
    this.#tasks = [
      repeat(
        jobsEveryMs,
        () => this.sweepJobs(),
        (error) => this.#tellOfJobs(error as Error),
      ),
      repeat(
        retentionEveryMs,
        () => this.sweepRetention(),
        (error) => this.#tell(error),
      ),
    ];
  }

  /** Leaves the rest of a sweep, or of a deletion, that is under way to the next process. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#deps.deletions.stop(), ...this.#tasks.map((task) => task.stop())]);
  }

  async sweepJobs(): Promise<void> {
    try {
      let swept: readonly boolean[];
      do {
        const jobs = await this.#dueJobs();
        swept = await Promise.all(jobs.map((job) => this.#trySweepJob(job)));
      } while (swept.length === batch && swept.includes(true) && !this.#stopping.signal.aborted);
    } catch (error) {
      if (error instanceof StoreUnavailable) this.#renewableSince = this.#deps.clock();
      throw error;
    }
  }

  async sweepRetention(): Promise<void> {
    const { deletions, files, images, sessions, audit, keepAuditMs, attempts, counters, usage, clock } = this.#deps;
    const stopping = this.#stopping.signal;
    const untilStopped = (deleteSome: (limit: number) => Promise<number>) => inBatches(deleteSome, stopping);
    await doAll([
      () => untilStopped((limit) => deletions.sweep(limit)),
      () => files.sweep(stopping),
      () => images.sweep(stopping),
      () => untilStopped((limit) => sessions.deleteEnded(clock(), limit)),
      () => untilStopped((limit) => audit.deleteBefore(auditIdFrom(clock() - keepAuditMs), limit)),
      () => untilStopped((limit) => attempts.deleteBefore(clock() - memoryMs, limit)),
      () => untilStopped((limit) => counters.deleteBefore(clock() - windowMaxMs, limit)),
      () => untilStopped((limit) => usage.deleteBefore(dateOf(clock() - keepUsageMs), limit)),
    ]);
  }

  /** Notes a pause of the process: the first timer after it fires before what workers sent meanwhile is read. */
  #lookAtClock(): number {
    const now = this.#deps.clock();
    if (now - this.#sweptAt > pauseMs) this.#renewableSince = now;
    this.#sweptAt = now;
    return now;
  }

  async #dueJobs(): Promise<ImageJob[]> {
    const now = this.#lookAtClock();
    for (const [id, since] of this.#stuck) if (!isRecent(since, stuckMs, now)) this.#stuck.delete(id);
    const jobs = await this.#deps.records.store.due(now, batch + this.#stuck.size);
    return jobs.filter(({ id }) => !this.#stuck.has(id)).slice(0, batch);
  }

  /** A job that fails does not stop the others, and is tried again. */
  async #trySweepJob(job: ImageJob): Promise<boolean> {
    try {
      await this.#sweepJob(job);
      return true;
    } catch (error) {
      if (error instanceof StoreUnavailable) throw error;
      if (this.#stuck.size < stuckMax) this.#stuck.set(job.id, this.#deps.clock());
      this.#tellOfJobs(error as Error, job.id);
      return false;
    }
  }

  #tell(err: unknown, job?: string): void {
    this.#deps.log.error({ err, job }, "sweeping failed; it is tried again");
  }

  async #sweepJob(job: ImageJob): Promise<void> {
    const { records, clock, dispatcher, timing } = this.#deps;
    if (hasEnded(job)) return this.#delete(job);
    let isReserved = false;
    const swept = await records.changeKept(job, (current) => {
      const next = age(current, clock(), timing, this.#renewableSince);
      isReserved = hasReservedPublish(current, next);
      return next;
    });
    if (swept === undefined || !isReserved) return;
    // A server that had not heard yet of its client's deletion may have accepted the job.
    if (await isOwnerGone(swept.ownerId, this.#deps))
      await records.changeKept(swept, (current) => cancelOpen(current, clock()));
    else dispatcher.dispatch(swept);
  }

  async #delete(job: ImageJob): Promise<void> {
    const { store } = this.#deps.records;
    if (!(await store.delete(job.id, job.version))) await needAnotherWriter(store, job);
  }
}
