import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Call } from "./calls.ts";
import type { Server, SignedIn } from "./darkroom.ts";
import type { Disturbance } from "./disturber.ts";

/** Logins, and uploads where one is given, from a thread of their own. */
export async function startDisturber(
  { url }: Server,
  { username, password }: SignedIn,
  upload?: Omit<Call, "accepts">,
) {
  const workerData: Disturbance = { url, login: { identity: username, password }, upload };
  const worker = new Worker(new URL("./disturber.ts", import.meta.url), { workerData });
  return {
    async tell(what: "start" | "stop"): Promise<void> {
      const done = once(worker, "message");
      worker.postMessage(what);
      await done;
    },
    end: () => worker.terminate(),
  };
}
