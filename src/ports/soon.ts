/**
 * A value, or a promise of it where it is not there yet. What returns one may throw where it would reject. For what almost every
 * call asks and finds remembered: promises for each step on the way would take as long as the steps.
 */
export type Soon<T> = T | Promise<T>;

/** What `next` makes of a value, at once if the value is there. */
export function soon<T, R>(value: Soon<T>, next: (value: T) => Soon<R>): Soon<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** What `work` comes to, or what `recover` makes of its error. */
export function soonOr<T, R>(work: () => Soon<T>, recover: (error: unknown) => Soon<R>): Soon<T | R> {
  try {
    const value = work();
    return value instanceof Promise ? value.catch(recover) : value;
  } catch (error) {
    return recover(error);
  }
}
