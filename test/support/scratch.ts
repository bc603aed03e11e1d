import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** Says when something is closed: `onTestFinished`, or `afterAll` for what the tests of a file share. */
export type OnEnd = (close: () => void | Promise<void>) => void;

/** An empty directory, gone when the test that asked for it ends, unless `onEnd` says otherwise. */
export function scratchDirectory(onEnd: OnEnd = onTestFinished): string {
  const directory = mkdtempSync(join(tmpdir(), "darkroom-test-"));
  // A process that was killed a moment ago may still write.
  onEnd(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}
