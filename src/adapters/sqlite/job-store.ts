import type { ImageJob, JobState } from "../../model/image-job.ts";
import type { JobQuery, JobStore } from "../../ports/job-store.ts";
import type { Database } from "./database.ts";

/** `dueAt` is model/job-life's, with how long ended jobs are kept. */
export function sqliteJobStore(db: Database, dueAt: (job: ImageJob) => number): JobStore {
  return {
    async insert(job) {
      const { id, requestKey, ownerId, state, createdAt, version } = job;
      const sql =
        "INSERT INTO jobs (id, request_key, owner_id, state, created_at, due_at, version, doc) " +
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
      await db.write(sql, id, requestKey, ownerId, state, createdAt, dueAt(job), version, JSON.stringify(job));
    },
    async get(id) {
      return db.readDocs<ImageJob>("SELECT doc FROM jobs WHERE id = ?", id)[0];
    },
    async getMany(ids) {
      return db.readDocs<ImageJob>(
        "SELECT doc FROM jobs WHERE id IN (SELECT value FROM json_each(?))",
        JSON.stringify(ids),
      );
    },
    async findByRequestKey(requestKey) {
      return db.readDocs<ImageJob>("SELECT doc FROM jobs WHERE request_key = ?", requestKey)[0];
    },
    async replace(job) {
      const { id, state, version } = job;
      const sql =
        "UPDATE jobs SET state = ?, due_at = ?, version = ?, doc = ? WHERE id = ? AND version = ? RETURNING id";
      return db.writeOne(sql, state, dueAt(job), version, JSON.stringify(job), id, version - 1);
    },
    async delete(id, version) {
      return db.writeOne("DELETE FROM jobs WHERE id = ? AND version = ? RETURNING id", id, version);
    },
    async list(query) {
      // A query for each state reads that state's index in order; one for several would have to sort them all.
      const states = query.states.length > 0 ? query.states : [undefined];
      const found = states.flatMap((state) => listOne(db, query, state));
      return found.sort(newestFirst).slice(0, query.limit);
    },
    async listDead(after, limit) {
      const [further, params] =
        after === undefined ? ["", []] : ["AND (created_at, id) < (?, ?)", [after.createdAt, after.id]];
      const sql = `SELECT doc FROM jobs WHERE ${deadSql} ${further} ORDER BY created_at DESC, id DESC LIMIT ?`;
      return db.readDocs<ImageJob>(sql, ...params, limit);
    },
    async due(now, limit) {
      return db.readDocs<ImageJob>("SELECT doc FROM jobs WHERE due_at <= ? ORDER BY due_at LIMIT ?", now, limit);
    },
  };
}

/** The same text as in the partial index of dead jobs: with another, SQLite would not use the index. */
const deadSql = "state IN ('FAILED', 'EXPIRED')";

function listOne(db: Database, { ownerId, after, limit }: JobQuery, state: JobState | undefined): ImageJob[] {
  const where = ["owner_id = ?"];
  const params: (string | number)[] = [ownerId];
  if (state !== undefined) {
    where.push("state = ?");
    params.push(state);
  }
  if (after !== undefined) {
    where.push("(created_at, id) < (?, ?)");
    params.push(after.createdAt, after.id);
  }
  const sql = `SELECT doc FROM jobs WHERE ${where.join(" AND ")} ORDER BY created_at DESC, id DESC LIMIT ?`;
  return db.readDocs(sql, ...params, limit);
}

function newestFirst(a: ImageJob, b: ImageJob): number {
  return b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1);
}
