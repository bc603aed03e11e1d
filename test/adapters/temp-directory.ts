import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** Gone when the test that asked for it ends. */
export function tempDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "darkroom-test-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
