import { Code, ConnectError } from "@connectrpc/connect";
import { hasEnded, type ImageJob, type ImageJobClient } from "./api.ts";
import { Patience } from "./retry.ts";

/** How long one stream is trusted: a connection that died silently is noticed by then. */
const streamMaxMs = 60_000;

/** The job now and at each change until it has ended, across streams that break. */
export async function* snapshots(jobs: ImageJobClient, jobId: string, signal?: AbortSignal): AsyncGenerator<ImageJob> {
  let afterVersion = 0n;
  const patience = new Patience();
  for (;;) {
    const stream = limited(signal);
    let loss: unknown = new ConnectError("the server ended the watch early", Code.Unavailable);
    try {
      for await (const { job } of jobs.watchImageJob({ jobId, afterVersion }, { signal: stream.signal })) {
        if (job === undefined) continue;
        patience.renew();
        afterVersion = job.version;
        yield job;
        if (hasEnded(job.state)) return;
      }
    } catch (error) {
      loss = error;
    } finally {
      stream.end();
    }
    // Nothing happened for a while, as with any job that waits long.
    if (stream.isOver()) patience.renew();
    await patience.bear(loss, signal);
  }
}

/** A signal for one stream, which aborts with `signal`, or when its time is over, or when it is ended. */
function limited(signal: AbortSignal | undefined) {
  const controller = new AbortController();
  let over = false;
  const timer = setTimeout(() => {
    over = true;
    controller.abort();
  }, streamMaxMs);
  return {
    signal: signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]),
    isOver: () => over,
    end() {
      clearTimeout(timer);
      controller.abort();
    },
  };
}
