import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import sharp from "sharp";
import { describe, expect, test, vi } from "vitest";
import { bearer, connect, type Darkroom, type ImageJob, State } from "../../src/client/index.ts";
import { runServer, type ServerProcess } from "../support/process.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { signIn } from "../support/server.ts";

const wait = { seconds: 60n, nanos: 0 };
const leases = { DARKROOM_LEASE_SECONDS: "2" };
/** Long enough to develop that it can be interrupted. */
const slow = { prompt: "sketch with grain and a vignette, softer", imageCount: 4, modelType: "studio" };

describe("a worker that dies in the middle", () => {
  test("has its job run again, as another attempt", async () => {
    const server = await runServer(scratchDirectory(), leases);
    const { jobs, jobId, credential } = await submitSlow(server);
    await running(jobs, jobId, credential, 1);
    killWorker(server);
    const { job } = await jobs.pollImageJob({ jobId, wait }, credential);
    expect(job).toMatchObject({ state: State.SUCCEEDED, attempt: 2 });
    expect(job?.outputImageIds).toHaveLength(4);
  });

  test("three times over fails its job, with the reason", async () => {
    const server = await runServer(scratchDirectory(), leases);
    const { jobs, jobId, credential } = await submitSlow(server);
    for (const attempt of [1, 2, 3]) {
      await running(jobs, jobId, credential, attempt);
      killWorker(server);
    }
    const { job } = await jobs.pollImageJob({ jobId, wait }, credential);
    expect(job).toMatchObject({ state: State.FAILED, attempt: 3, error: { reason: "WORKER_LOST" } });
    expect(job?.error?.message).toContain("3 attempts");
  });
});

test("a cancelled job's worker stops at its next heartbeat, and takes the next job", async () => {
  const server = await runServer(scratchDirectory(), { LOG_LEVEL: "info" });
  const { jobs, jobId, credential, imageId } = await submitSlow(server);
  await running(jobs, jobId, credential, 1);
  await jobs.cancelImageJob({ jobId }, credential);
  await vi.waitFor(() => expect(server.output.stderr).toContain("job dropped"), { timeout: 30_000 });
  const next = await jobs.submitImageJob({ imageId, prompt: "sepia" }, credential);
  const { job } = await jobs.pollImageJob({ jobId: next.job?.id ?? "", wait }, credential);
  expect(job?.state).toBe(State.SUCCEEDED);
  expect((await jobs.pollImageJob({ jobId }, credential)).job).toMatchObject({ state: State.CANCELLED, attempt: 1 });
});

test("a killed server's worker does not outlive it", async () => {
  const server = await runServer(scratchDirectory());
  const worker = await vi.waitFor(() => workerOf(server), { timeout: 10_000 });
  server.child.kill("SIGKILL");
  await vi.waitFor(() => expect(isAlive(worker)).toBe(false), { timeout: 20_000 });
});

test("every acknowledged job reaches its end, whatever is killed and whenever", async () => {
  const dataDir = scratchDirectory();
  const picture = await sharp({ create: { width: 60, height: 40, channels: 3, background: "#3366cc" } })
    .png()
    .toBuffer();
  const acknowledged: string[] = [];
  let server = await runServer(dataDir, leases);
  const { token } = await signIn(connect(server.url));
  const credential = bearer(token);

  const crashes = 8;
  for (let crash = 0; crash < crashes; crash++) {
    const submitting = submitUntilDeath(connect(server.url), credential, picture, acknowledged);
    await delay(randomInt(20, 900));
    if (crash % 2 === 1) killWorker(server, { ifAny: true });
    server.child.kill("SIGKILL");
    await server.finished;
    await submitting;
    server = await runServer(dataDir, leases);
  }

  const { jobs } = connect(server.url);
  const ends = await Promise.all(acknowledged.map((jobId) => jobs.pollImageJob({ jobId, wait }, credential)));
  process.stdout.write(`${crashes} crashes, ${ends.length} acknowledged jobs, ${attemptsOf(ends)} attempts\n`);
  expect(ends.length).toBeGreaterThan(0);
  expect(ends.map(({ job }) => job?.error?.message ?? job?.state)).toEqual(ends.map(() => State.SUCCEEDED));
  for (const { job } of ends.slice(0, 10)) await expectGrey(jobs, job?.outputImageIds[0] ?? "", credential);
}, 180_000);

async function submitSlow(server: ServerProcess) {
  const darkroom = connect(server.url);
  const { credential } = await signIn(darkroom);
  const noise = {
    create: { width: 2400, height: 1600, channels: 3, noise: { type: "gaussian", mean: 128, sigma: 40 } },
  } as const;
  const data = await sharp({ create: { ...noise.create, background: "#888" } })
    .jpeg()
    .toBuffer();
  const { image } = await darkroom.jobs.uploadImage({ data }, credential);
  const imageId = image?.id ?? "";
  const { job } = await darkroom.jobs.submitImageJob({ imageId, ...slow }, credential);
  return { jobs: darkroom.jobs, jobId: job?.id ?? "", imageId, credential };
}

async function running(jobs: Darkroom["jobs"], jobId: string, credential: ReturnType<typeof bearer>, attempt: number) {
  for await (const { job } of jobs.watchImageJob({ jobId }, credential)) {
    if (job?.state === State.RUNNING && job.attempt === attempt) return;
  }
  throw new Error(`attempt ${attempt} was never seen`);
}

async function submitUntilDeath(
  { jobs }: Darkroom,
  credential: ReturnType<typeof bearer>,
  data: Uint8Array,
  acknowledged: string[],
): Promise<void> {
  try {
    for (;;) {
      const { image } = await jobs.uploadImage({ data }, credential);
      const { job } = await jobs.submitImageJob(
        { imageId: image?.id ?? "", prompt: "black and white", strength: 1 },
        credential,
      );
      acknowledged.push(job?.id ?? "");
    }
  } catch {
    // The server died: what it acknowledged counts.
  }
}

async function expectGrey(
  jobs: Darkroom["jobs"],
  imageId: string,
  credential: ReturnType<typeof bearer>,
): Promise<void> {
  const pieces: Uint8Array[] = [];
  for await (const { data } of jobs.getImage({ imageId }, credential)) pieces.push(data);
  const { channels } = await sharp(Buffer.concat(pieces)).toColourspace("srgb").stats();
  expect(Math.abs((channels[0]?.mean ?? 0) - (channels[2]?.mean ?? 255))).toBeLessThan(2);
}

function attemptsOf(ends: readonly { job?: ImageJob | undefined }[]): number {
  return ends.reduce((sum, { job }) => sum + (job?.attempt ?? 0), 0);
}

function killWorker(server: ServerProcess, { ifAny = false } = {}): void {
  try {
    process.kill(workerOf(server), "SIGKILL");
  } catch (error) {
    if (!ifAny) throw error;
  }
}

/** The process id of the server's child. */
function workerOf({ child: { pid } }: ServerProcess): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  const [worker] = children.split(" ").filter(Boolean);
  if (worker === undefined) throw new Error("the server has no worker now");
  return Number(worker);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
