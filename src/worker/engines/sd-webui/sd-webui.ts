import { setTimeout } from "node:timers/promises";
import type { SdWebuiSettings } from "../../../model/settings.ts";
import type { Engine, Task } from "../../engine.ts";
import type { Answer } from "./exchange.ts";
import { connectionFailure, statusFailure, timeoutFailure } from "./failures.ts";
import { answerMaxFor, readPictures } from "./pictures.ts";
import { requestOf } from "./request.ts";
import { SdWebuiServer } from "./server.ts";
import { orAborted, takeTurns } from "./turns.ts";

type Report = (progress: number) => void;

const pollEveryMs = 500;
/** An interrupt is lost when the server has not quite begun, so it is said again until the answer has come. */
const interruptEveryMs = 400;
const interruptForMs = 1500;

/** Has a server with AUTOMATIC1111's API make the picture; one request at a time, since an interrupt stops any request. */
export function createSdWebui(settings: SdWebuiSettings): Engine {
  const server = new SdWebuiServer(settings);
  const inTurn = takeTurns();
  return {
    develop: async (task, report, signal) => {
      signal.throwIfAborted();
      const pictures = await inTurn(() => generate(server, task, settings.timeoutMs, report, signal), signal);
      report(1);
      return pictures;
    },
  };
}

async function generate(
  server: SdWebuiServer,
  task: Task,
  timeoutMs: number,
  report: Report,
  signal: AbortSignal,
): Promise<Uint8Array[]> {
  const body = await requestOf(task);
  signal.throwIfAborted();
  const deadline = AbortSignal.timeout(timeoutMs);
  const hangUp = new AbortController();
  const answer = server.img2img(body, answerMaxFor(task.imageCount), hangUp.signal);
  try {
    const received = await watched(server, answer, report, AbortSignal.any([signal, deadline]));
    if (received.status !== 200) throw statusFailure(received);
    return await readPictures(received, task.imageCount);
  } catch (error) {
    signal.throwIfAborted();
    throw error === deadline.reason ? timeoutFailure(timeoutMs) : error;
  } finally {
    hangUp.abort();
  }
}

/** Waits for the answer and reports progress meanwhile. When `stop` aborts, the server is interrupted too. */
async function watched(
  server: SdWebuiServer,
  answer: Promise<Answer>,
  report: Report,
  stop: AbortSignal,
): Promise<Answer> {
  const answered = new AbortController();
  const following = follow(server, report, AbortSignal.any([stop, answered.signal]));
  try {
    return await orAborted(answer, stop);
  } catch (error) {
    if (!stop.aborted) throw connectionFailure(error);
    await interrupt(server, answer);
    throw stop.reason;
  } finally {
    answered.abort();
    await following;
  }
}

/** Reports progress until `ended` aborts. A failure to read the progress does not fail the job. */
async function follow(server: SdWebuiServer, report: Report, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    const progress = await server.progress(ended).catch(() => undefined);
    if (progress !== undefined && progress < 1 && !ended.aborted) report(progress);
    await setTimeout(pollEveryMs, undefined, { signal: ended }).catch(() => {});
  }
}

async function interrupt(server: SdWebuiServer, answer: Promise<Answer>): Promise<void> {
  const limit = AbortSignal.timeout(interruptForMs);
  const settled = answer.catch(() => {});
  while (!limit.aborted) {
    await server.interrupt(limit).catch(() => {});
    const pause = setTimeout(interruptEveryMs, "paused" as const, { signal: limit }).catch(() => {});
    if ((await Promise.race([settled, pause])) !== "paused") return;
  }
}
