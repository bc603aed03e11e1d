import type { FastifyReply } from "fastify";
import { hourMs } from "../../model/time.ts";
import { onceAnswered } from "../server/http-messages.ts";

/** How long one call lives; a caller that still listens then calls again. */
const callMaxMs = hourMs;

/**
 * A signal that aborts when the answer has ended, its caller has left, its hour is over, or `confirmed` aborts. `onEnd` is
 * called once, also where the caller has left already.
 */
export function lifeOf(reply: FastifyReply, confirmed: AbortSignal, onEnd: () => void): AbortSignal {
  const life = new AbortController();
  const hour = setTimeout(() => life.abort(new DOMException("the call has had its hour", "TimeoutError")), callMaxMs);
  onceAnswered(reply.raw, () => {
    clearTimeout(hour);
    life.abort();
    onEnd();
  });
  return AbortSignal.any([life.signal, confirmed]);
}
