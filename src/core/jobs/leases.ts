import { checkFields, unauthenticated } from "../../model/errors.ts";
import { claim, heartbeat, type Timing } from "../../model/job-life.ts";
import type { JobPrincipal } from "../../model/principal.ts";
import { rangeRule } from "../../model/text.ts";
import type { Clock } from "../../ports/clock.ts";
import type { JobTokens } from "../../ports/credentials.ts";
import type { JobRecords } from "./job-records.ts";

export interface Lease {
  readonly attempt: number;
  /** Good for this attempt only. */
  readonly token: string;
  readonly leaseMs: number;
  readonly deadline: number;
}

interface LeasesDeps {
  readonly records: JobRecords;
  readonly jobTokens: JobTokens;
  readonly clock: Clock;
  readonly timing: Timing;
}

/** What a worker does with the job whose token it holds. */
export class Leases {
  readonly #deps: LeasesDeps;

  constructor(deps: LeasesDeps) {
    this.#deps = deps;
  }

  async claim(worker: JobPrincipal, dispatch: number): Promise<Lease> {
    const { records, jobTokens, clock, timing } = this.#deps;
    const job = await records.change(worker.jobId, (current) => claim(current, dispatch, clock(), timing));
    const { attempt, deadline } = job;
    const token = jobTokens.issue({ jobId: job.id, attempt }, deadline);
    return { attempt, token, leaseMs: timing.leaseMs, deadline };
  }

  /** Extends the lease; resolves to its length in milliseconds. */
  async heartbeat(worker: JobPrincipal, progress: number): Promise<number> {
    const { attempt } = worker;
    if (attempt === null) throw unauthenticated("NOT_CLAIMED", "heartbeats need the job token that ClaimJob gave");
    checkFields({ progress: () => rangeRule(progress, 0, 1) });
    const { records, clock, timing } = this.#deps;
    await records.change(worker.jobId, (current) => heartbeat(current, attempt, progress, clock(), timing));
    return timing.leaseMs;
  }
}
