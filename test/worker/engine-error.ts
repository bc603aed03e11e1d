import { expect } from "vitest";
import { EngineError } from "../../src/worker/engine.ts";

/** What an engine gave its work up with. */
export async function engineErrorOf(work: Promise<unknown>): Promise<EngineError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EngineError);
  return error as EngineError;
}
