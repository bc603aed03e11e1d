import { DomainError } from "../model/errors.ts";

/** A unique value is taken. The caller looks up which one: not every engine can tell. */
export class DuplicateKey extends Error {
  override readonly name = "DuplicateKey";
}

/**
 * The engine cannot be reached, did not answer in time, or has no room. A write that failed with this may have been
 * done, or may still be done.
 * Callers get this error as it is.
 */
export class StoreUnavailable extends DomainError {
  override readonly name = "StoreUnavailable";

  constructor(cause?: unknown) {
    const message = "the database cannot be used now: try again in a moment";
    super("unavailable", "DATABASE_UNAVAILABLE", message, { retryAfterMs: 1000, cause });
  }
}
