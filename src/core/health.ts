import { inTime } from "../helpers/in-time.ts";
import { type Clock, isRecent } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";

/** Something outside this process that it works with. */
export interface Backend {
  /** Resolves when it answers; cheap. */
  readonly ping: () => Promise<unknown>;
  /** Whether nothing can be done without it. */
  readonly isNeeded: boolean;
}

/** `degraded`: ready, but a backend is away without which some work waits. */
export type HealthStatus = "ok" | "degraded" | "unavailable" | "stopping";

export interface HealthReport {
  readonly status: HealthStatus;
  readonly isReady: boolean;
  /** Whether each backend is up, by its name. */
  readonly backends: Readonly<Record<string, boolean>>;
}

/** How long a backend may take to answer, and how long its answer is cached. */
const answerMs = 1000;
const recentMs = 1000;

/** Whether this process should be sent work. Asking is cheap, however often: each backend is asked once a second at most. */
export class Health {
  readonly #backends: ReadonlyMap<string, Probe>;
  readonly #needed: ReadonlySet<string>;
  #stopping = false;

  constructor(deps: { backends: Readonly<Record<string, Backend>>; clock: Clock; log: Log }) {
    const backends = Object.entries(deps.backends);
    this.#backends = new Map(backends.map(([name, { ping }]) => [name, new Probe(name, ping, deps)]));
    this.#needed = new Set(backends.flatMap(([name, { isNeeded }]) => (isNeeded ? name : [])));
  }

  get backends(): readonly string[] {
    return [...this.#backends.keys()];
  }

  /** False for an unknown backend. */
  async isUp(backend: string): Promise<boolean> {
    return (await this.#backends.get(backend)?.isUp()) ?? false;
  }

  async report(): Promise<HealthReport> {
    const states = await Promise.all(this.backends.map(async (name) => [name, await this.isUp(name)] as const));
    const away = states.flatMap(([name, isUp]) => (isUp ? [] : name));
    const status = this.#statusOf(away);
    return { status, isReady: status === "ok" || status === "degraded", backends: Object.fromEntries(states) };
  }

  async isReady(): Promise<boolean> {
    return (await this.report()).isReady;
  }

  markStopping(): void {
    this.#stopping = true;
  }

  #statusOf(away: readonly string[]): HealthStatus {
    if (this.#stopping) return "stopping";
    if (away.some((name) => this.#needed.has(name))) return "unavailable";
    return away.length > 0 ? "degraded" : "ok";
  }
}

/** Looks at one backend: one ping at a time, however many ask and however long it hangs. */
class Probe {
  readonly #name: string;
  readonly #ping: () => Promise<unknown>;
  readonly #clock: Clock;
  readonly #log: Log;
  #isUp = true;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #pinging: Promise<unknown> | undefined;

  constructor(name: string, ping: () => Promise<unknown>, { clock, log }: { clock: Clock; log: Log }) {
    this.#name = name;
    this.#ping = ping;
    this.#clock = clock;
    this.#log = log;
  }

  async isUp(): Promise<boolean> {
    if (isRecent(this.#lookedAt, recentMs, this.#clock())) return this.#isUp;
    const failure = await this.#answer().then(
      () => undefined,
      (error: unknown) => error ?? new Error("no reason was given"),
    );
    this.#note(failure);
    this.#lookedAt = this.#clock();
    return this.#isUp;
  }

  /** Rejects when the ping, which may be an earlier one that still hangs, does not answer in time. */
  async #answer(): Promise<void> {
    this.#pinging ??= this.#ping().finally(() => {
      this.#pinging = undefined;
    });
    await inTime(answerMs, this.#pinging);
  }

  /** Only the log has the reason: whoever asks need not be known. */
  #note(failure: unknown): void {
    const isUp = failure === undefined;
    if (isUp === this.#isUp) return;
    this.#isUp = isUp;
    const fields = { backend: this.#name };
    if (isUp) this.#log.info(fields, "a backend is up again");
    else this.#log.warn({ ...fields, err: failure }, "a backend is down");
  }
}
