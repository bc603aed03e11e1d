import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Task } from "../../src/worker/engine.ts";
import { startChild } from "./children.ts";
import { nodeOptions } from "./darkroom.ts";
import { http1Callers } from "./http1.ts";
import { scratchDirectory } from "./scratch.ts";

const program = join(import.meta.dirname, "../reference/http-jobs.ts");

/** One job after the other through the least that bare Node needs for it. */
export async function startBareJobs(picture: Uint8Array, wanted: Omit<Task, "picture">) {
  const directory = scratchDirectory();
  const file = join(directory, "picture");
  writeFileSync(file, picture);
  const child = await startChild([...nodeOptions, program, directory, file, JSON.stringify(wanted)]);
  const [caller] = await http1Callers(child.url, 1);

  async function call(path: string): Promise<string> {
    let answer = "";
    const accepts = (body: Buffer) => {
      answer = body.toString();
      return true;
    };
    await caller?.call({ method: "POST", path, headers: {}, body: Buffer.alloc(0), status: 200, accepts });
    return answer;
  }

  return {
    run: async () => void (await call(`/poll/${await call("/submit")}`)),
    stop: child.stop,
  };
}
