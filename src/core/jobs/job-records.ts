import { randomUUID } from "node:crypto";
import { isNotFound, notFound } from "../../model/errors.ts";
import { isId } from "../../model/ids.ts";
import type { ImageJob } from "../../model/image-job.ts";
import type { JobStore } from "../../ports/job-store.ts";
import { changedMeanwhile, triesMax } from "../change-record.ts";
import type { JobChanges } from "./job-changes.ts";

/** Jobs as they are read and changed: each change is one conditional write, and everyone who watches hears of it. */
export class JobRecords {
  readonly store: JobStore;
  readonly #changes: JobChanges;

  constructor(store: JobStore, changes: JobChanges) {
    this.store = store;
    this.#changes = changes;
  }

  async get(id: string): Promise<ImageJob> {
    const job = isId(id) ? await this.store.get(id) : undefined;
    if (job === undefined) throw notFound("job");
    return job;
  }

  /** Somebody else's job is `not_found`, as if it did not exist. */
  async getOwn(id: string, ownerId: string): Promise<ImageJob> {
    const job = await this.get(id);
    if (job.ownerId !== ownerId) throw notFound("job");
    return job;
  }

  /**
   * Writes `step` of the job, which is named by its id or given as it was read a moment ago. When another writer came
   * first, reads the job and applies `step` again, up to `triesMax` times in all; writes nothing when `step` returns the
   * same job. A write whose answer was lost is recognised by its operation.
   */
  async change(job: string | ImageJob, step: (job: ImageJob) => ImageJob): Promise<ImageJob> {
    let current = typeof job === "string" ? await this.get(job) : job;
    for (let left = triesMax; left > 0; left--) {
      const next = step(current);
      if (next === current) return current;
      const attempted = { ...next, version: current.version + 1, operation: randomUUID() };
      if (await this.#replace(attempted)) return this.#announce(attempted);
      current = await this.get(current.id);
      if (current.operation === attempted.operation) return this.#announce(current);
    }
    throw changedMeanwhile();
  }

  /** The same; undefined when the job was deleted meanwhile, most often with its owner. */
  async changeKept(job: ImageJob, step: (job: ImageJob) => ImageJob): Promise<ImageJob | undefined> {
    try {
      return await this.change(job, step);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #replace(job: ImageJob): Promise<boolean> {
    try {
      return await this.store.replace(job);
    } catch (error) {
      const stored = await this.store.get(job.id);
      if (stored?.operation === job.operation) return true;
      throw error;
    }
  }

  #announce(job: ImageJob): ImageJob {
    this.#changes.publish(job);
    return job;
  }
}
