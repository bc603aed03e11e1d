import { DomainError } from "../model/errors.ts";

/** A unique value is taken. Which one, the caller looks up: not every engine can tell. */
export class DuplicateKey extends Error {
  override readonly name = "DuplicateKey";
}

/**
 * The engine cannot be reached, did not answer in time, or has no room. A write that met this may have been done, or
 * may yet be.
 * It goes to the caller as it is.
 */
export class StoreUnavailable extends DomainError {
  override readonly name = "StoreUnavailable";

  constructor(cause?: unknown) {
    const message = "the database cannot be used now: try again in a moment";
    super("unavailable", "DATABASE_UNAVAILABLE", message, { retryAfterMs: 1000, cause });
  }
}
