import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import type { Call } from "./calls.ts";
import { http1Callers } from "./http1.ts";

/** A thread that keeps a server busy while told to, so that the clock of the one who measures stands still for nothing. */

export interface Disturbance {
  readonly url: string;
  readonly login: SentCall;
  /** Undefined for logins alone. */
  readonly upload: SentCall | undefined;
}

/** Between threads a buffer becomes plain bytes, and functions are lost: only the answer's status is looked at. */
export type SentCall = Omit<Call, "accepts" | "body"> & { readonly body: Uint8Array };

const loginEveryMs = 250;
/** More than wait at once. */
const loginsMax = 16;
/** From the start of one to the start of the next, if it takes no longer. */
const uploadEveryMs = 500;

const { url, login, upload } = workerData as Disturbance;
const callers = await http1Callers(url, loginsMax);
const [uploader] = await http1Callers(url, 1);
const loginCall = received(login);
const uploadCall = upload && received(upload);
let busy = false;
let running: Promise<unknown> = Promise.resolve();

parentPort?.on("message", async (wanted: "start" | "stop") => {
  busy = wanted === "start";
  if (busy) running = Promise.all([every(loginEveryMs, logIn), uploadCall && every(uploadEveryMs, uploadOne)]);
  else await running;
  parentPort?.postMessage("done");
});

async function every(ms: number, work: () => Promise<void>): Promise<void> {
  while (busy) {
    const start = performance.now();
    await work();
    await sleep(Math.max(0, ms - (performance.now() - start)));
  }
}

/** Does not wait for the answer: logins come when they come. */
async function logIn(): Promise<void> {
  const caller = callers.pop();
  if (caller === undefined) throw new Error(`more than ${loginsMax} logins wait`);
  void caller.call(loginCall).then(() => callers.push(caller));
}

async function uploadOne(): Promise<void> {
  if (uploadCall !== undefined) await uploader?.call(uploadCall);
}

function received(call: SentCall): Call {
  const { buffer, byteOffset, byteLength } = call.body;
  return { ...call, body: Buffer.from(buffer, byteOffset, byteLength), accepts: () => true };
}
