const lookMs = 1000;
/** With less active time than this between two looks the event loop is idle; timers alone take less on a fast processor. */
const quietMs = 20;
/** On a slow processor three times the least time that was seen counts as idle too, but never more than this. */
const quietMaxMs = 100;
const quietLooks = 5;
/** The least active time of the event loop since the last collection: less work leaves too little garbage to stop for. */
const workedMs = 250;

/**
 * Collects garbage when the process is idle, which stops it for 0.1 s. V8 does so by itself only when it needs room, so
 * garbage of the last calls, whole pictures among it, would stay for as long as no others come. Does nothing where Node
 * was started without `--expose-gc`. Returns the function that ends it.
 */
export function collectWhenIdle(
  gc = globalThis.gc,
  activeMs = () => performance.eventLoopUtilization().active,
): () => void {
  if (gc === undefined) return () => {};
  let before = activeMs();
  let least = Number.POSITIVE_INFINITY;
  let worked = 0;
  let quiet = 0;

  function look(collect: NodeJS.GCFunction): void {
    const now = activeMs();
    const active = now - before;
    before = now;
    least = Math.min(least, active);
    if (active < Math.max(quietMs, Math.min(3 * least, quietMaxMs))) quiet += 1;
    else [quiet, worked] = [0, worked + active];
    if (quiet < quietLooks || worked < workedMs) return;
    worked = 0;
    // Gives pages back to the system too.
    collect({ type: "major", flavor: "last-resort", execution: "sync" });
  }

  const timer = setInterval(look, lookMs, gc).unref();
  return () => clearInterval(timer);
}
