import { checkFields, unauthenticated } from "../model/errors.ts";
import { claim, heartbeat, type Timing } from "../model/job-life.ts";
import type { JobPrincipal } from "../model/principal.ts";
import { rangeRule } from "../model/text.ts";
import type { Clock } from "../ports/clock.ts";
import type { JobTokens } from "../ports/credentials.ts";
import type { JobRecords } from "./job-records.ts";

export interface Lease {
  readonly attempt: number;
  /** Good for this attempt only. */
  readonly token: string;
  readonly leaseMs: number;
  readonly deadline: number;
}

/** What a worker does with the job whose token it holds. */
export class Leases {
  readonly #records: JobRecords;
  readonly #tokens: JobTokens;
  readonly #clock: Clock;
  readonly #timing: Timing;

  constructor(deps: { records: JobRecords; jobTokens: JobTokens; clock: Clock; timing: Timing }) {
    this.#records = deps.records;
    this.#tokens = deps.jobTokens;
    this.#clock = deps.clock;
    this.#timing = deps.timing;
  }

  async claim(worker: JobPrincipal, dispatch: number): Promise<Lease> {
    const job = await this.#records.change(worker.jobId, (current) =>
      claim(current, dispatch, this.#clock(), this.#timing),
    );
    const { attempt, deadline } = job;
    const token = this.#tokens.issue({ jobId: job.id, attempt }, deadline);
    return { attempt, token, leaseMs: this.#timing.leaseMs, deadline };
  }

  /** How long the lease lives on. */
  async heartbeat(worker: JobPrincipal, progress: number): Promise<number> {
    const { attempt } = worker;
    if (attempt === null) throw unauthenticated("NOT_CLAIMED", "heartbeats need the job token that ClaimJob gave");
    checkFields({ progress: () => rangeRule(progress, 0, 1) });
    await this.#records.change(worker.jobId, (current) =>
      heartbeat(current, attempt, progress, this.#clock(), this.#timing),
    );
    return this.#timing.leaseMs;
  }
}
