/**
 * What `next` makes of a value: at once if the value is there. Most bodies are, and need no decompression; a promise for each
 * step on their way would take as long as the steps.
 */
export function soon<T, R>(value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
