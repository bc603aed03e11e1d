import { type ModelRoutes, ownQueueName, queueNameOf, queueNames } from "../../model/models.ts";
import type { Queue } from "../../ports/queue.ts";

/** The queues that jobs go to: a job's model chooses its queue. */
export class JobQueues {
  /** By their names. */
  readonly all: ReadonlyMap<string, Queue>;
  readonly #routes: ModelRoutes;

  constructor({ routes, queue }: { routes: ModelRoutes; queue: (name: string) => Queue }) {
    this.#routes = routes;
    this.all = new Map(queueNames(routes).map((name) => [name, queue(name)]));
  }

  /** Whether the workers that take the model's jobs claim them, as ours do; others may, or may not. */
  areClaimed(model: string): boolean {
    return this.#nameOf(model) === ownQueueName;
  }

  /** Whether some of our workers may lack the model, and leave its jobs to others. */
  mayBeLeft(model: string): boolean {
    return model !== this.#routes.own[0]?.name;
  }

  of(model: string): Queue {
    return this.all.get(this.#nameOf(model)) as Queue;
  }

  /**
   * A job whose model is no longer configured goes to our own workers: one that has the model by then does it, else its
   * deadline ends it.
   */
  #nameOf(model: string): string {
    return queueNameOf(this.#routes, model) ?? ownQueueName;
  }
}
