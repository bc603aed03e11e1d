/** How a worker tries again what is worth the wait: for p-retry. */
export const untilTaken = { retries: Number.POSITIVE_INFINITY, minTimeout: 200, maxTimeout: 1000, randomize: true };
