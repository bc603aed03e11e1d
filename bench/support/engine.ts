import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Task } from "../../src/worker/engine.ts";
import { startChild } from "./children.ts";
import { nodeOptions } from "./darkroom.ts";
import { scratchDirectory } from "./scratch.ts";

const program = join(import.meta.dirname, "../reference/engine.ts");

/** The engine alone, in a process like the worker's: what it leaves to collect shall not slow the caller. */
export async function startEngine(picture: Uint8Array, wanted: Omit<Task, "picture">) {
  const file = join(scratchDirectory(), "picture");
  writeFileSync(file, picture);
  const child = await startChild([...nodeOptions, program, file, JSON.stringify(wanted)]);
  return {
    /** Does it once; resolves to the milliseconds that it took. */
    run: async () => Number(await child.ask("run")),
    stop: child.stop,
  };
}
