import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { example, project, sh, write } from "../support/consumer.ts";
import { colourfulness, redPicture } from "../support/red.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { serve } from "../support/server.ts";

/** A directory in which the example lies, beside the old systems' packages. */
function written(heading: string, url: string): string {
  const directory = scratchDirectory();
  symlinkSync(join(project, "node_modules"), join(directory, "node_modules"));
  write(directory, { "main.mts": example(heading, "ts", url) });
  return directory;
}

test("a script with PocketBase's SDK has a picture developed", async () => {
  const { url } = await serve();
  const directory = written("PocketBase's API", url);
  write(directory, { "me.jpg": await redPicture("jpeg") });
  await sh(process.execPath, ["main.mts"], { cwd: directory });
  expect(await colourfulness(join(directory, "developed.jpg"))).toBeLessThan(50);
});

test("a script with Supabase's SDK signs up, in, and checks its token", async () => {
  const { url } = await serve({}, { worker: false });
  const { stdout } = await sh(process.execPath, ["main.mts"], { cwd: written("Supabase's auth", url) });
  expect(stdout).toBe("ada@example.com Ada\n");
});
