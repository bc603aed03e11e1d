import { Code, ConnectError } from "@connectrpc/connect";
import { type FastCall, isGone } from "./call.ts";

/** The abort reason of all calls that ended in order: each new error would record a stack that nobody reads. */
export const ended = new DOMException("This operation was aborted", "AbortError");
/** The longest that Node's timers can wait. */
const timerMaxMs = 2 ** 31 - 1;

export interface CallSignal {
  readonly signal: AbortSignal;
  /** Aborts it, and lets go of all that it listens to. */
  end(reason: unknown): void;
}

/** Aborts when the caller goes away, the deadline passes, the server stops, or the call ends, whichever is first. */
export function openSignal(call: FastCall, deadline: number | undefined): CallSignal {
  const { response } = call;
  const { shutdownSignal: stopping } = call.procedure.options;
  const controller = new AbortController();
  const onClose = () => end(new ConnectError("the caller has gone away", Code.Canceled));
  const onStop = () => end(stopping?.reason);
  const onDeadline = () => end(new ConnectError("the operation timed out", Code.DeadlineExceeded));
  let timer: NodeJS.Timeout | undefined;

  function end(reason: unknown): void {
    clearTimeout(timer);
    response.off("close", onClose);
    if (stopping !== undefined) listenersOf(stopping).delete(onStop);
    controller.abort(reason);
  }

  response.on("close", onClose);
  if (stopping !== undefined) listenersOf(stopping).add(onStop);
  const leftMs = deadline === undefined ? Number.POSITIVE_INFINITY : deadline - Date.now();
  if (isGone(call)) onClose();
  else if (stopping?.aborted) onStop();
  else if (leftMs <= 0) onDeadline();
  else if (leftMs <= timerMaxMs) timer = setTimeout(onDeadline, leftMs);
  return { signal: controller.signal, end };
}

const known = new WeakMap<AbortSignal, Set<() => void>>();

/** Functions behind one listener of the signal: Node searches all listeners to add or remove one, and calls may be many. */
function listenersOf(signal: AbortSignal): Set<() => void> {
  const listeners = known.get(signal) ?? new Set();
  if (known.has(signal)) return listeners;
  known.set(signal, listeners);
  signal.addEventListener("abort", () => {
    for (const listener of listeners) listener();
  });
  return listeners;
}
