import { hasEnded, type ImageJob, isDead } from "../../model/image-job.ts";
import type { JobQuery, JobStore } from "../../ports/job-store.ts";
import { purgeAfter } from "./collections.ts";
import type { Database } from "./database.ts";
import { atMost, before, after as behind, is, oneOf, Records } from "./records.ts";
import { sortKey } from "./sort-key.ts";

/** `dueAt` is model/job-life's, with how long ended jobs are kept. */
export function mongodbJobStore(db: Database, dueAt: (job: ImageJob) => number): JobStore {
  const jobs = new Records<ImageJob>(db, "jobs", {
    derived: {
      dueAt,
      place: sortKey,
      deadPlace: (job) => (isDead(job) ? sortKey(job) : undefined),
      purgeAt: (job) => (hasEnded(job) ? purgeAfter(dueAt(job)) : undefined),
    },
  });

  function listOne({ ownerId, after, limit }: JobQuery, state: string | undefined): Promise<ImageJob[]> {
    const equal = { ownerId: is(ownerId), ...(state === undefined ? {} : { state: is(state) }) };
    const query = after === undefined ? equal : { ...equal, place: before(sortKey(after)) };
    return jobs.find(query, { sort: { place: -1 }, limit });
  }

  return {
    insert: (job) => jobs.insert(job),
    get: (id) => jobs.get(id),
    getMany: (ids) => jobs.find({ _id: oneOf(ids) }),
    findByRequestKey: (requestKey) => jobs.findOne({ requestKey: is(requestKey) }),
    replace: (job) => jobs.replace(job, { version: is(job.version - 1) }),
    delete: (id, version) => jobs.delete({ _id: is(id), version: is(version) }),
    async list(query) {
      // A query for each state reads that state's index in order; one for several would have to sort them all.
      const states = query.states.length > 0 ? query.states : [undefined];
      const found = await Promise.all(states.map((state) => listOne(query, state)));
      return found.flat().sort(newestFirst).slice(0, query.limit);
    },
    listDead: (after, limit) =>
      jobs.find(
        { deadPlace: after === undefined ? behind("") : before(sortKey(after)) },
        { sort: { deadPlace: -1 }, limit },
      ),
    due: (now, limit) => jobs.find({ dueAt: atMost(now) }, { sort: { dueAt: 1 }, limit }),
  };
}

function newestFirst(a: ImageJob, b: ImageJob): number {
  return sortKey(a) < sortKey(b) ? 1 : -1;
}
