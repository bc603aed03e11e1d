interface Ending {
  endNow(): void;
}

/** With more answers together, the first would wait too long for the last. */
const togetherMax = 64;
let ready: Ending[] = [];
let isScheduled = false;

/**
 * Ends an answer with others that are ready in the same turn of the event loop, as HTTP/2 does by itself: a reader on this
 * machine, such as a proxy, is woken once for all of them. Each time costs as much as a whole small call.
 */
export function endTogether(answer: Ending): void {
  if (ready.push(answer) >= togetherMax) endReady();
  else if (!isScheduled) {
    isScheduled = true;
    setImmediate(endReady);
  }
}

function endReady(): void {
  const ending = ready;
  ready = [];
  isScheduled = false;
  for (const answer of ending) answer.endNow();
}
