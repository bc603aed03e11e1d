import type { FastifyReply } from "fastify";
import { hourMs } from "../../model/time.ts";
import { onceAnswered } from "../server/http-messages.ts";

/** How long one call lives; a caller that still listens then calls again. */
const callMaxMs = hourMs;

/**
 * A signal that ends with the answer, with its caller's leaving, its hour, or what `confirmed` says. `onEnd` is called once,
 * also where the caller has left already.
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
