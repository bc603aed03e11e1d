import { LRUCache } from "lru-cache";

/**
 * A cache of at most `max` values that drops the least recently used. With lru-cache's own `max` it would allocate all
 * its memory at once: a millisecond and half a megabyte, mostly for nothing.
 */
export function lruCache<Value extends NonNullable<unknown>>(max: number): LRUCache<string, Value> {
  return new LRUCache({ maxSize: max, sizeCalculation: () => 1 });
}
