import type { ImageJob, JobState } from "../model/image-job.ts";
import type { Cursor } from "../model/page.ts";

export interface JobQuery {
  readonly ownerId: string;
  /** All states when empty; none twice. */
  readonly states: readonly JobState[];
  /** Only jobs after this one in the order below. */
  readonly after: Cursor | undefined;
  readonly limit: number;
}

/**
 * The truth about jobs. A write that resolved survives a power cut. Every method costs the same however many jobs are
 * stored, and may reject when the engine cannot be reached.
 */
export interface JobStore {
  /** Rejects with DuplicateKey, and stores nothing, when the id or the requestKey is taken. */
  insert(job: ImageJob): Promise<void>;
  get(id: string): Promise<ImageJob | undefined>;
  /** The jobs among `ids` that exist, in any order. */
  getMany(ids: readonly string[]): Promise<ImageJob[]>;
  findByRequestKey(requestKey: string): Promise<ImageJob | undefined>;
  /** One conditional write: stores `job` if the stored one has the version before it; false, and nothing written, if not. */
  replace(job: ImageJob): Promise<boolean>;
  /** Deletes the job if it still has that version. */
  delete(id: string, version: number): Promise<boolean>;
  /** Newest first: by createdAt, then by id, both descending. */
  list(query: JobQuery): Promise<ImageJob[]>;
  /** Everybody's jobs in one of the `deadStates`, after `after` in the order of `list`. */
  listDead(after: Cursor | undefined, limit: number): Promise<ImageJob[]>;
  /** Jobs whose `dueAt` (model/job-life.ts) has come, the longest due first. */
  due(now: number, limit: number): Promise<ImageJob[]>;
}
