/** Options for p-retry: how a worker repeats a call that must not be given up. */
export const untilTaken = { retries: Number.POSITIVE_INFINITY, minTimeout: 200, maxTimeout: 1000, randomize: true };
