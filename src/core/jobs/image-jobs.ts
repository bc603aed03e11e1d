import { hash, randomInt, randomUUIDv7 } from "node:crypto";
import { timeLimit } from "../../helpers/time-limit.ts";
import { DomainError, invalidField } from "../../model/errors.ts";
import {
  checkSubmission,
  hasEnded,
  type ImageJob,
  type JobState,
  newJob,
  openStates,
  requestKey,
  type Submission,
} from "../../model/image-job.ts";
import { cancel, cancelOpen, type Timing } from "../../model/job-life.ts";
import { listedModels, type Model, type ModelRoutes } from "../../model/models.ts";
import { decodeCursor, encodeCursor, type Page, pageOf, pageSize } from "../../model/page.ts";
import type { Clock } from "../../ports/clock.ts";
import { DuplicateKey } from "../../ports/store-errors.ts";
import type { Images } from "../images/images.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { JobChanges } from "./job-changes.ts";
import type { JobRecords } from "./job-records.ts";

/** The longest that one poll waits. */
export const waitMaxMs = 60_000;
const batch = 100;

interface ImageJobsDeps {
  readonly records: JobRecords;
  readonly changes: JobChanges;
  readonly images: Images;
  readonly dispatcher: Dispatcher;
  readonly routes: ModelRoutes;
  readonly clock: Clock;
  readonly timing: Timing;
}

/** What an account or a client does with its own jobs. */
export class ImageJobs {
  readonly #deps: ImageJobsDeps;

  constructor(deps: ImageJobsDeps) {
    this.#deps = deps;
  }

  /** The default model first. */
  models(): readonly Model[] {
    return listedModels(this.#deps.routes);
  }

  async submit(wanted: Submission, ownerId: string): Promise<ImageJob> {
    const { records, images, dispatcher, routes, clock, timing } = this.#deps;
    const now = clock();
    const fingerprint = fingerprintOf(wanted);
    // Before the rules: a repeat gets its job even when its deadline has passed meanwhile.
    const earlier = await this.#earlier(wanted, ownerId, fingerprint);
    if (earlier !== undefined) return earlier;
    checkSubmission(wanted, routes, now);
    const job = newJob(wanted, {
      id: randomUUIDv7(),
      ownerId,
      fingerprint,
      defaultModel: routes.defaultModel,
      randomSeed: randomInt(2 ** 32),
      now,
      dispatchAt: now + timing.publishMs,
    });
    await images.reserve(job.inputImageId, ownerId, job.deadline + timing.keepMs);
    try {
      await records.store.insert(job);
    } catch (error) {
      const same = error instanceof DuplicateKey ? await this.#earlier(wanted, ownerId, fingerprint) : undefined;
      if (same === undefined) throw error;
      return same;
    }
    dispatcher.dispatch(job);
    return job;
  }

  get(id: string, ownerId: string): Promise<ImageJob> {
    return this.#deps.records.getOwn(id, ownerId);
  }

  /** Resolves to the job when it has ended, after `waitMs` at the latest. */
  async poll(id: string, ownerId: string, waitMs: number, signal: AbortSignal): Promise<ImageJob> {
    if (!(waitMs >= 0 && waitMs <= waitMaxMs)) throw invalidField("wait", `must be 0 to ${waitMaxMs / 1000} seconds`);
    const { records, changes } = this.#deps;
    let latest = await records.getOwn(id, ownerId);
    if (waitMs === 0 || hasEnded(latest)) return latest;
    using limit = timeLimit(Math.ceil(waitMs));
    const until = AbortSignal.any([signal, limit.signal]);
    for await (const job of changes.watch(id, latest.version, until)) latest = job;
    return latest;
  }

  async *watch(id: string, ownerId: string, afterVersion: number, signal: AbortSignal): AsyncGenerator<ImageJob> {
    const { records, changes } = this.#deps;
    await records.getOwn(id, ownerId);
    yield* changes.watch(id, afterVersion, signal);
  }

  async list(
    ownerId: string,
    query: { pageSize: number; pageToken: string; states: readonly JobState[] },
  ): Promise<Page<ImageJob>> {
    const limit = pageSize(query.pageSize);
    const after = decodeCursor(query.pageToken);
    const states = [...new Set(query.states)];
    const found = await this.#deps.records.store.list({ ownerId, states, after, limit: limit + 1 });
    return pageOf(found, limit, encodeCursor);
  }

  async cancel(id: string, ownerId: string): Promise<ImageJob> {
    const { records, clock } = this.#deps;
    return records.change(await records.getOwn(id, ownerId), (job) => cancel(job, clock()));
  }

  /** Cancels an owner's jobs that have not ended. */
  async cancelAll(ownerId: string): Promise<void> {
    const { records, clock } = this.#deps;
    for (;;) {
      const open = await records.store.list({ ownerId, states: openStates, after: undefined, limit: batch });
      if (open.length === 0) return;
      await Promise.all(open.map((job) => records.change(job, (current) => cancelOpen(current, clock()))));
    }
  }

  async #earlier(wanted: Submission, ownerId: string, fingerprint: string): Promise<ImageJob | undefined> {
    const key = requestKey(ownerId, wanted.requestId);
    const job = key === undefined ? undefined : await this.#deps.records.store.findByRequestKey(key);
    if (job !== undefined && job.fingerprint !== fingerprint) {
      const rule = "was used for another request; take a new one";
      const violations = [{ field: "request_id", rule }];
      throw new DomainError("already_exists", "REQUEST_ID_REUSED", `request_id: ${rule}`, { violations });
    }
    return job;
  }
}

/** Empty for a submission without a request_id, since nobody can find its job by that. */
function fingerprintOf(wanted: Submission): string {
  if (wanted.requestId === "") return "";
  const { imageId, prompt, promptGuidance, strength, modelType, seed, imageCount, deadline } = wanted;
  const fields = [imageId, prompt, promptGuidance, strength, modelType, seed, imageCount, deadline];
  // As text: JSON has no NaN, and would write it like a field that was not given.
  return hash("sha256", JSON.stringify(fields.map(String)), "base64url");
}
