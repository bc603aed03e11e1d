/** The result of `work`, or a rejection with `late` after `ms`; a later result is ignored. */
export function inTime<T>(
  ms: number,
  work: Promise<T>,
  late: () => Error = () => new Error(`no answer in ${ms / 1000} s`),
): Promise<T> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(late()), ms);
  return Promise.race([work, timeout.promise]).finally(() => clearTimeout(timer));
}
