import type { Principal } from "../../model/principal.ts";
import type { Authentication } from "./authentication.ts";

/** How often an open answer asks whether its caller is still signed in. */
const confirmEveryMs = 1000;

/** A signal that aborts, with the refusal, once the caller is no longer signed in. */
export function confirmation(
  authentication: Authentication,
  principal: Principal,
): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const timer = setInterval(() => {
    authentication.confirm(principal).catch((refusal: unknown) => controller.abort(refusal));
  }, confirmEveryMs);
  return { signal: controller.signal, [Symbol.dispose]: () => clearInterval(timer) };
}

/**
 * Yields the pieces for as long as their caller is still signed in. It asks between two pieces, so a short answer asks
 * nothing.
 */
export async function* whileConfirmed<T>(
  pieces: AsyncIterable<T>,
  by: Principal,
  authentication: Pick<Authentication, "confirm">,
): AsyncGenerator<T> {
  let askedAt = performance.now();
  for await (const piece of pieces) {
    if (performance.now() - askedAt > confirmEveryMs) {
      await authentication.confirm(by);
      askedAt = performance.now();
    }
    yield piece;
  }
}
