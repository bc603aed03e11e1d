const everyMs = 60_000;

/** Tells once a minute, and not once for each call that is refused. */
export function oncePerMinute(tell: (error: Error) => void): (error: Error) => void {
  let quietUntil = 0;
  return (error) => {
    const now = performance.now();
    if (now < quietUntil) return;
    quietUntil = now + everyMs;
    tell(error);
  };
}
