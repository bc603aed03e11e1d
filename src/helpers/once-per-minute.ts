const everyMs = 60_000;

/** Passes on at most one error a minute, and not one for each refused call. */
export function oncePerMinute<Details extends unknown[]>(
  tell: (error: Error, ...details: Details) => void,
): (error: Error, ...details: Details) => void {
  let quietUntil = 0;
  return (error, ...details) => {
    const now = performance.now();
    if (now < quietUntil) return;
    quietUntil = now + everyMs;
    tell(error, ...details);
  };
}
