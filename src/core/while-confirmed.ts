import type { Principal } from "../model/principal.ts";
import type { Authentication } from "./authentication.ts";
import { confirmEveryMs } from "./confirmation.ts";

/** The same pieces, for as long as their caller is still signed in. Asks between two of them, so what is short asks nothing. */
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
