/** Runs tasks one after the other, in the order in which they came. One that is aborted meanwhile waits no longer. */
export function takeTurns(): <T>(work: () => Promise<T>, signal: AbortSignal) => Promise<T> {
  let last: Promise<void> = Promise.resolve();
  return async (work, signal) => {
    const before = last;
    const { promise, resolve } = Promise.withResolvers<void>();
    last = before.then(() => promise);
    try {
      await orAborted(before, signal);
      return await work();
    } finally {
      resolve();
    }
  };
}

/** Rejects with the signal's reason as soon as it aborts, whatever `promise` does later. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const listener = () => reject(signal.reason);
  signal.addEventListener("abort", listener);
  if (signal.aborted) listener();
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", listener);
  }
}
