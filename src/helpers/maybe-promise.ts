/**
 * A value, or a promise of it where it is not there yet. A function that returns one may throw where it would reject.
 * It is for what almost every call reads from a cache: promises for each step would take as long as the steps.
 */
export type MaybePromise<T> = T | Promise<T>;

/** The result of `next`, called at once if the value is there. */
export function chain<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** The result of `work`, or that of `recover` when `work` throws or rejects. */
export function chainOr<T, R>(
  work: () => MaybePromise<T>,
  recover: (error: unknown) => MaybePromise<R>,
): MaybePromise<T | R> {
  try {
    const value = work();
    return value instanceof Promise ? value.catch(recover) : value;
  } catch (error) {
    return recover(error);
  }
}
