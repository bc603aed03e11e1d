const everyMs = 60_000;

/** Passes on at most one error a minute, and not one for each refused call. */
export function oncePerMinute(tell: (error: Error) => void): (error: Error) => void {
  let quietUntil = 0;
  return (error) => {
    const now = performance.now();
    if (now < quietUntil) return;
    quietUntil = now + everyMs;
    tell(error);
  };
}
