import { LRUCache } from "lru-cache";

/**
 * At most `max` values, of which those go that were not used for longest. By lru-cache's own `max` it would take its room
 * at once: a millisecond and half a megabyte, mostly for nothing.
 */
export function lruCache<Value extends NonNullable<unknown>>(max: number): LRUCache<string, Value> {
  return new LRUCache({ maxSize: max, sizeCalculation: () => 1 });
}
