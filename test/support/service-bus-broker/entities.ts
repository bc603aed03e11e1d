import { notFound } from "./refusal.ts";
import { type Settings, Store } from "./store.ts";

const management = "/$management";
const deadLetters = "/$deadletterqueue";

/** The queues of a namespace, found by their paths, whatever the letter case. */
export class Entities {
  readonly #queues: ReadonlyMap<string, Store>;

  constructor(names: readonly string[], settings: Settings) {
    const make = (name: string) => [name.toLowerCase(), new Store(settings, new Store(settings))] as const;
    this.#queues = new Map(names.map(make));
  }

  get all(): Store[] {
    return [...this.#queues.values()].flatMap((store) => [store, store.dead ?? []].flat());
  }

  /** Throws Refusal. */
  find(path: string): { readonly store: Store; readonly isManagement: boolean } {
    let name = path.toLowerCase();
    const isManagement = name.endsWith(management);
    if (isManagement) name = name.slice(0, -management.length);
    const isDead = name.endsWith(deadLetters);
    const queue = this.#queues.get(isDead ? name.slice(0, -deadLetters.length) : name);
    const store = isDead ? queue?.dead : queue;
    if (store === undefined) throw notFound(path);
    return { store, isManagement };
  }
}
