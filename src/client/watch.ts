import { Code, ConnectError } from "@connectrpc/connect";
import { hasEnded, type ImageJob, type ImageJobClient } from "./api.ts";
import { limited } from "./call.ts";
import { RetryBudget } from "./retry.ts";

/** How long one stream is trusted: a connection that died silently is noticed by then. */
const streamMaxMs = 60_000;

/** The job now and at each change until it has ended, across streams that break. */
export async function* snapshots(jobs: ImageJobClient, jobId: string, signal?: AbortSignal): AsyncGenerator<ImageJob> {
  let seen = 0n;
  const budget = new RetryBudget();
  for (;;) {
    const stream = limited(signal, streamMaxMs);
    // The last version seen is sent once more: so a server that has nothing new differs from one that is silent.
    const afterVersion = seen > 0n ? seen - 1n : seen;
    let loss: unknown = new ConnectError("the server ended the watch early", Code.Unavailable);
    try {
      for await (const { job } of jobs.watchImageJob({ jobId, afterVersion }, { signal: stream.signal })) {
        budget.renew();
        if (job === undefined || job.version <= seen) continue;
        seen = job.version;
        yield job;
        if (hasEnded(job.state)) return;
      }
    } catch (error) {
      loss = error;
    } finally {
      stream.end();
    }
    await budget.bear(loss, signal);
  }
}
