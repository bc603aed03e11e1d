import fs, { mkdirSync, statSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { recordingLog } from "../support/log.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { serve, signIn } from "../support/server.ts";

const warning = "others may read the data directory, and its mode cannot be changed";

/** Serves from a directory that everybody may look into; what its mode is then, and whether the log warned. */
async function start() {
  const [dataDir, log] = [join(scratchDirectory(), "data"), recordingLog()];
  mkdirSync(dataDir, { mode: 0o755 });
  const server = await serve({}, { worker: false, dataDir, log });
  await signIn(server);
  const warned = log.lines.filter(({ message }) => message === warning);
  return { mode: statSync(dataDir).mode & 0o777, dataDir, warned };
}

test("a data directory that was there is made its owner's alone", async () => {
  expect(await start()).toMatchObject({ mode: 0o700, warned: [] });
});

test.each([
  [
    "refuses to",
    () => {
      throw new Error("EPERM");
    },
  ],
  ["only seems to", () => {}],
])("where the file system %s, the log warns and the start goes on", async (_, change) => {
  const chmod = vi.spyOn(fs, "chmodSync").mockImplementation(change);
  syncBuiltinESMExports();
  onTestFinished(() => {
    chmod.mockRestore();
    syncBuiltinESMExports();
  });
  const { mode, dataDir, warned } = await start();
  expect(mode).not.toBe(0o700);
  expect(warned).toMatchObject([{ level: "warn", fields: { directory: dataDir } }]);
});

test("a start is refused where pictures could not be written", async () => {
  const dataDir = scratchDirectory();
  const pictures = join(dataDir, "pictures");
  writeFileSync(pictures, "no directory");
  const starting = serve({}, { worker: false, dataDir });
  await expect(starting).rejects.toThrow(`DARKROOM_DATA_DIR: ${pictures} cannot be written to (ENOTDIR)`);
});
