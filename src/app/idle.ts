const lookMs = 1000;
/** Of the event loop's time between two looks; timers alone take less where the processor is quick. */
const quietMs = 20;
/** Where they take more: thrice the least that was seen is quiet too, but never more than this. */
const quietMaxMs = 100;
const quietLooks = 5;
/** Of the event loop's time: less work leaves too little to stop for. */
const workedMs = 250;

/**
 * Collects garbage once there is nothing else to do, which stops the process for 0.1 s. V8 does so by itself when it needs
 * room, so what the last calls left, whole pictures among it, would stay for as long as no others come. Does nothing
 * where Node was started without `--expose-gc`. Returns what ends it.
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
