import { onTestFinished } from "vitest";
import { openQueues, openStores, type Queues } from "../../src/app/backends.ts";
import { AccountRecords } from "../../src/core/accounts/account-records.ts";
import { Deletions } from "../../src/core/accounts/deletions.ts";
import { Guessing } from "../../src/core/accounts/guessing.ts";
import { cachedStores } from "../../src/core/admission/cached-stores.ts";
import { Usage } from "../../src/core/admission/usage.ts";
import { Files } from "../../src/core/images/files.ts";
import { OwnImages } from "../../src/core/images/own-images.ts";
import { DeadLetters } from "../../src/core/jobs/dead-letters.ts";
import { Dispatcher } from "../../src/core/jobs/dispatcher.ts";
import { ImageJobs } from "../../src/core/jobs/image-jobs.ts";
import { JobChanges } from "../../src/core/jobs/job-changes.ts";
import { JobQueues } from "../../src/core/jobs/job-queues.ts";
import { JobRecords } from "../../src/core/jobs/job-records.ts";
import { Results } from "../../src/core/jobs/results.ts";
import { SentJobs } from "../../src/core/jobs/sent-jobs.ts";
import { Sweeper } from "../../src/core/sweeper.ts";
import { openJobTokens } from "../../src/crypto/job-tokens.ts";
import { buried } from "../../src/model/account.ts";
import type { Submission } from "../../src/model/image-job.ts";
import type { ModelRoutes } from "../../src/model/models.ts";
import type { UserPrincipal } from "../../src/model/principal.ts";
import { decodeJob, type JobMessage } from "../../src/model/queue-messages.ts";
import { complete, type Settlement } from "../../src/ports/queue.ts";
import { movableClock } from "../contracts/movable-clock.ts";
import { sampleAccount } from "../contracts/samples.ts";
import { recordingLog } from "../support/log.ts";
import { quickPasswords } from "../support/passwords.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { picture } from "./pictures.ts";

export const day = 24 * 60 * 60 * 1000;
const keep = { keepUploadMs: 7 * day, keepResultMs: 30 * day };
export const timing = {
  leaseMs: 15_000,
  leaseMarginMs: 0,
  publishMs: 10_000,
  resendMs: 60_000,
  resendMaxMs: 60 * 60_000,
  keepMs: keep.keepResultMs,
};

/** The use cases of jobs on the embedded engines, with a clock that stands still; nothing sweeps unless it is told to. */
export async function openCore(wrap = (queues: Queues): Queues => queues) {
  const clock = movableClock();
  const log = recordingLog();
  const directory = scratchDirectory();
  const stores = await openStores({ ...keep, dataDir: directory, mongodb: undefined }, log);
  const queues = wrap(await openQueues({ dataDir: directory, serviceBus: undefined }, clock, log));
  const jobTokens = await openJobTokens(stores.secrets, clock);
  const routes: ModelRoutes = {
    own: ["studio", "upscale-2x"].map((name) => ({ name, description: "" })),
    named: new Map([["sd", "others"]]),
    rest: undefined,
    defaultModel: "studio",
  };
  // Both models' jobs come by one queue, and only one of them is that of workers who claim.
  const queue = (name: string) => (name === "others" ? { ...queues.jobQueue } : queues.jobQueue);
  const jobQueues = new JobQueues({ routes, queue });
  const authentication = { confirm: async () => {} };
  const shared = cachedStores(stores, clock, log);
  const base = {
    ...stores,
    ...shared,
    ...queues,
    ...keep,
    authentication,
    jobQueues,
    jobTokens,
    routes,
    clock,
    timing,
    log,
  };
  const changes = new JobChanges(stores.jobs, () => {});
  const records = new JobRecords(stores.jobs, changes);
  const images = new OwnImages(base);
  const dispatcher = new Dispatcher({ ...base, sent: new SentJobs({ ...base, records }) });
  const jobs = new ImageJobs({ ...base, records, changes, images, dispatcher });
  const results = new Results({ ...base, records, images });
  const deadLetters = new DeadLetters({ ...base, records, images, dispatcher });
  const guessing = new Guessing(base);
  const passwords = quickPasswords();
  const accountRecords = new AccountRecords(shared.accounts, clock);
  const files = new Files({ ...base, images });
  const usage = new Usage({ ...base, accountRecords, dailyRequests: undefined });
  const deletions = new Deletions({ ...base, accountRecords, images, passwords, guessing, files, usage });
  const sweeper = new Sweeper({ ...base, deletions, records, dispatcher, files, images, keepAuditMs: 365 * day });
  onTestFinished(async () => {
    await results.stop();
    await dispatcher.idle();
    await changes.stop();
    await queues.close();
    await stores.close();
  });

  const user: UserPrincipal = { kind: "user", account: sampleAccount(), sessionId: "" };
  await stores.accounts.insert(user.account);
  /** As the server left it that died then. */
  async function deleteUser(deletedAt = clock()) {
    const account = { ...buried(user.account, deletedAt), version: user.account.version + 1 };
    await shared.accounts.replace(account);
    return account;
  }
  const upload = async () => images.upload(once(await picture("png")), user);
  async function submit(change: Partial<Submission> = {}) {
    const { id } = await upload();
    const defaults = { promptGuidance: undefined, strength: undefined, seed: undefined, imageCount: undefined };
    const wanted = { ...defaults, imageId: id, prompt: "sepia", modelType: "", deadline: undefined, requestId: "" };
    return jobs.submit({ ...wanted, ...change }, user.account.id);
  }

  /** The jobs' messages that are in the queue now, settled as told. */
  async function drain(settlement: Settlement = complete): Promise<JobMessage[]> {
    await dispatcher.idle();
    const taken: JobMessage[] = [];
    const consumer = queues.jobQueue.consume(
      async ({ body }) => {
        taken.push(decodeJob(body));
        return settlement;
      },
      { concurrency: 16 },
    );
    await consumer.stop();
    return taken;
  }

  const imageStore = stores.images;
  const fileStore = stores.files;
  return {
    ...stores,
    ...queues,
    authentication,
    imageStore,
    fileStore,
    files,
    clock,
    log,
    records,
    images,
    results,
    deadLetters,
    deletions,
    sweeper,
    dispatcher,
    user,
    deleteUser,
    upload,
    submit,
    drain,
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
