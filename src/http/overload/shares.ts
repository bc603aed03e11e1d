/** Parts, grouped by whose they are. The largest share is known at once, however many there are, since a share changes by one. */
export class Shares<T> {
  readonly #shares = new Map<string, Set<T>>();
  readonly #bySize: Set<Set<T>>[] = [];

  add(whose: string, part: T): void {
    const share = this.#shares.get(whose) ?? new Set();
    if (share.size === 0) this.#shares.set(whose, share);
    else this.#bySize[share.size]?.delete(share);
    share.add(part);
    this.#sized(share.size).add(share);
  }

  delete(whose: string, part: T): void {
    const share = this.#shares.get(whose);
    if (!share?.has(part)) return;
    this.#bySize[share.size]?.delete(share);
    share.delete(part);
    if (share.size === 0) this.#shares.delete(whose);
    else this.#sized(share.size).add(share);
    while (this.#bySize.length > 0 && !this.#bySize.at(-1)?.size) this.#bySize.pop();
  }

  oldestOfLargest(): T | undefined {
    const [largest] = this.#bySize.at(-1) ?? [];
    const [oldest] = largest ?? [];
    return oldest;
  }

  #sized(size: number): Set<Set<T>> {
    const shares = this.#bySize[size] ?? new Set();
    this.#bySize[size] = shares;
    return shares;
  }
}
