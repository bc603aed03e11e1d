import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { connect } from "../../src/client/index.ts";
import type { Call } from "./calls.ts";
import { http1Callers } from "./http1.ts";

/** A thread that keeps a server busy while told to, so that the clock of the one who measures stands still for nothing. */

export interface Disturbance {
  readonly url: string;
  readonly login: { readonly identity: string; readonly password: string };
  /** Undefined for logins alone. */
  readonly upload: (Omit<Call, "accepts" | "body"> & { readonly body: Uint8Array }) | undefined;
}

const loginEveryMs = 250;
/** From the start of one to the start of the next, if it takes no longer. */
const uploadEveryMs = 500;

const { url, login, upload } = workerData as Disturbance;
const { auth } = connect(url);
const [uploader] = await http1Callers(url, 1);
const uploadCall = upload && sent(upload);

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
  void auth.login(login);
}

async function uploadOne(): Promise<void> {
  if (uploadCall !== undefined) await uploader?.call(uploadCall);
}

/** Between threads a buffer becomes plain bytes. */
function sent(upload: NonNullable<Disturbance["upload"]>): Call {
  const { buffer, byteOffset, byteLength } = upload.body;
  const body = Buffer.from(buffer, byteOffset, byteLength);
  return { ...upload, body, accepts: (answer) => answer.includes("uuid") };
}
