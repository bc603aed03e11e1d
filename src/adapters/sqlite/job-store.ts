import type { ImageJob } from "../../model/image-job.ts";
import type { Cursor } from "../../model/page.ts";
import type { JobStore } from "../../ports/job-store.ts";
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
    async list({ ownerId, states, after = first, limit }) {
      return db.readDocs<ImageJob>(listSql(states.length), ownerId, after.createdAt, after.id, limit, ...states);
    },
    async listDead(after = first, limit) {
      const sql = `SELECT doc FROM jobs WHERE ${deadSql} AND (created_at, id) < (?, ?) ${newestFirst} LIMIT ?`;
      return db.readDocs<ImageJob>(sql, after.createdAt, after.id, limit);
    },
    async due(now, limit) {
      return db.readDocs<ImageJob>("SELECT doc FROM jobs WHERE due_at <= ? ORDER BY due_at LIMIT ?", now, limit);
    },
  };
}

/** The same text as in the partial index of dead jobs: with another, SQLite would not use the index. */
const deadSql = "state IN ('FAILED', 'EXPIRED')";

const newestFirst = "ORDER BY created_at DESC, id DESC";
/** All jobs come after it. */
const first: Cursor = { createdAt: Number.POSITIVE_INFINITY, id: "" };

/**
 * A query for each state reads that state's index in order; one for several would have to sort them all. Of several
 * states the indexes alone tell which jobs these are, and no other is read.
 */
function listSql(states: number): string {
  if (states === 0) return newestSql("doc", "");
  if (states === 1) return newestSql("doc", "AND state = ?5");
  const places = Array.from(
    { length: states },
    (_, index) => `SELECT * FROM (${newestSql("rowid AS place, created_at, id", `AND state = ?${5 + index}`)})`,
  );
  const page = `SELECT place FROM (${places.join(" UNION ALL ")}) ${newestFirst} LIMIT ?4`;
  return `SELECT doc FROM (${page}) CROSS JOIN jobs ON rowid = place ${newestFirst}`;
}

function newestSql(columns: string, inState: string): string {
  const own = `owner_id = ?1 AND (created_at, id) < (?2, ?3) ${inState}`;
  return `SELECT ${columns} FROM jobs WHERE ${own} ${newestFirst} LIMIT ?4`;
}
