/** What `work` comes to, or a rejection with `late` when that takes longer: what it comes to then is nobody's matter. */
export function inTime<T>(
  ms: number,
  work: Promise<T>,
  late: () => Error = () => new Error(`no answer in ${ms / 1000} s`),
): Promise<T> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(late()), ms);
  return Promise.race([work, timeout.promise]).finally(() => clearTimeout(timer));
}
