import { randomUUID, randomUUIDv7 } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { type ImageJob, newJob } from "../../src/model/image-job.ts";

const keepMs = 30 * 24 * 60 * 60 * 1000;
const secondaryIndexes =
  "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'jobs' AND sql IS NOT NULL";

/** A job as SubmitImageJob stores it. */
export function sampleJob(ownerId: string, now: number, prompt = "black and white, grainy, with a vignette"): ImageJob {
  const wanted = { imageId: randomUUID(), prompt, promptGuidance: undefined, strength: undefined, modelType: "studio" };
  const rest = { seed: undefined, imageCount: undefined, deadline: undefined, requestId: "" };
  const made = { id: randomUUIDv7(), ownerId, fingerprint: "x".repeat(43), defaultModel: "studio", randomSeed: 7, now };
  return newJob({ ...wanted, ...rest }, { ...made, dispatchAt: now });
}

/**
 * Fills a stopped server's database with jobs of one owner that have succeeded, a second apart, and resolves to some of
 * their ids, spread over all. Written in the order of their ids, and with the indexes made afterwards: a million take
 * seconds so, and minutes otherwise.
 */
export async function fillJobs(dataDir: string, ownerId: string, count: number, sampled: number): Promise<string[]> {
  const db = new DatabaseSync(join(dataDir, "darkroom.db"));
  db.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN EXCLUSIVE");
  const indexes = db.prepare(secondaryIndexes).all() as { name: string; sql: string }[];
  for (const { name } of indexes) db.exec(`DROP INDEX ${name}`);
  const insert = db.prepare(
    "INSERT INTO jobs (id, request_key, owner_id, state, created_at, due_at, version, doc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
  );
  const start = Date.now() - count * 1000;
  const template = JSON.stringify(succeeded(sampleJob(ownerId, 0), "ID", 0));
  const ids: string[] = [];
  for (let index = 0; index < count; index++) {
    const id = orderedId(index, count);
    // Not in the order of the ids.
    const createdAt = start + ((index * 7919) % count) * 1000;
    const doc = template
      .replaceAll('"ID"', `"${id}"`)
      .replaceAll(/("(?:created|queued|started|ended)At":)\d+/g, `$1${createdAt}`);
    insert.run(id, id, ownerId, "SUCCEEDED", createdAt, createdAt + keepMs, 4, doc);
    if (index % Math.ceil(count / sampled) === 0) ids.push(id);
    // So that Ctrl-C is heard.
    if (index % 10_000 === 0) await setImmediate();
  }
  for (const { sql } of indexes) db.exec(sql);
  db.exec("COMMIT; PRAGMA journal_mode = WAL");
  db.close();
  return ids;
}

function succeeded(job: ImageJob, id: string, at: number): ImageJob {
  const times = { createdAt: at, queuedAt: at, startedAt: at, endedAt: at };
  const outcome = { state: "SUCCEEDED", attempt: 1, progress: 1, sent: true, outputImageIds: [randomUUID()] } as const;
  return { ...job, ...times, ...outcome, id, requestKey: id, operation: id, version: 4 };
}

/** A UUID that grows with the index. */
function orderedId(index: number, count: number): string {
  const place = Math.floor((index / count) * 2 ** 32);
  return place.toString(16).padStart(8, "0") + randomUUID().slice(8);
}
