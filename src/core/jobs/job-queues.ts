import { type ModelRoutes, ownQueueName, queueNameOf, queueNames } from "../../model/models.ts";
import type { Queue } from "../../ports/queue.ts";

/** The queues that jobs go to: a job's model chooses its queue. */
export class JobQueues {
  /** By their names. */
  readonly all: ReadonlyMap<string, Queue>;
  readonly #routes: ModelRoutes;
  readonly #own: Queue;

  constructor({ routes, queue }: { routes: ModelRoutes; queue: (name: string) => Queue }) {
    const others = queueNames(routes).filter((name) => name !== ownQueueName);
    this.#routes = routes;
    this.#own = queue(ownQueueName);
    this.all = new Map([[ownQueueName, this.#own], ...others.map((name) => [name, queue(name)] as const)]);
  }

  /** Whether the workers that take the model's jobs claim them, as ours do; others may, or may not. */
  areClaimed(model: string): boolean {
    return this.of(model) === this.#own;
  }

  /** Whether some of our workers may lack the model, and leave its jobs to others. */
  mayBeLeft(model: string): boolean {
    return model !== this.#routes.own[0]?.name;
  }

  /**
   * A job whose model is no longer configured goes to our own workers: one that has the model by then does it, else its
   * deadline ends it.
   */
  of(model: string): Queue {
    return this.all.get(queueNameOf(this.#routes, model) ?? ownQueueName) ?? this.#own;
  }
}
