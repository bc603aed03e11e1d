/**
 * A value, or a promise of it where it is not there yet. What returns one may throw where it would reject. For what almost every
 * call asks and finds remembered: promises for each step on the way would take as long as the steps.
 */
export type MaybePromise<T> = T | Promise<T>;

/** What `next` makes of a value, at once if the value is there. */
export function chain<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** What `work` comes to, or what `recover` makes of its error. */
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
