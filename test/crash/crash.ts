import { connect, type Darkroom, type ImageJob, State } from "../../src/client/index.ts";
import { Client, expectedOf, type Submitted } from "./client.ts";
import type { Engines } from "./engines.ts";
import { freePort, Mortal } from "./process.ts";
import { randomFrom } from "./random.ts";

const clients = 8;
const faultEveryMs = 1000;
/** How long what was acknowledged may take to end once nothing goes wrong any more. */
const settleMs = 180_000;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export interface Outcome {
  readonly crashes: number;
  readonly faults: number;
  readonly acknowledged: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly attempts: number;
  /** Of messages. */
  readonly redeliveries: number;
  /** Submits that were sent again for want of an answer. */
  readonly repeats: number;
  /** What must not be: in words. */
  readonly wrong: readonly string[];
}

/**
 * Two servers and two workers, of which one is killed every second, while callers submit, poll and fetch. Then, in peace,
 * everything that was acknowledged must have one end, and every success its own picture.
 */
export async function crash(engines: Engines, { seed, ms }: { seed: number; ms: number }): Promise<Outcome> {
  const random = randomFrom(seed);
  const pick = <T>(all: readonly T[]) => all[Math.floor(random() * all.length)] as T;
  const ports = [await freePort(), await freePort()];
  const open = {
    DARKROOM_ADMIN_PASSWORD: "correct horse battery",
    DARKROOM_LEASE_SECONDS: "2",
    DARKROOM_RATE_LIMITS: off,
  };
  const servers = ports.map(
    (port) => new Mortal(["serve", "--no-worker"], { ...engines.env, ...open, PORT: String(port) }),
  );
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  const workers = urls.map(
    (url) => new Mortal(["worker"], { ...engines.env, DARKROOM_SERVER_URL: url, DARKROOM_WORKER_CONCURRENCY: "2" }),
  );
  const all = [...servers, ...workers];
  for (const each of all) each.start();
  const darkrooms = urls.map((url) => connect(url));
  const any = () => darkrooms[Math.floor(Math.random() * darkrooms.length)] as Darkroom;
  const counted = { crashes: 0, faults: 0 };
  try {
    await Promise.all(darkrooms.map(ready));
    const callers = await Promise.all(Array.from({ length: clients }, () => signedIn(any)));
    const end = performance.now() + ms;
    const isOver = () => performance.now() > end;
    let colour = 0;
    const working = callers.map((caller) => caller.work(isOver, () => ++colour));

    while (!isOver()) {
      await pause(faultEveryMs);
      const names = Object.keys(engines.faults);
      if (names.length > 0 && random() < 0.3) {
        counted.faults += 1;
        await engines.faults[pick(names)]?.();
      } else {
        counted.crashes += 1;
        const victim = pick(all);
        await victim.kill();
        victim.start();
      }
    }
    await Promise.all(working);
    await Promise.all(darkrooms.map(ready));
    return { ...counted, ...(await judge(callers, engines)) };
  } finally {
    await Promise.all(all.map((each) => each.kill()));
  }
}

const off = ["SignUp", "Login"].map((name) => `darkroom.auth.v1.AuthService/${name}=off`).join(",");

async function ready({ auth }: Darkroom): Promise<void> {
  const end = performance.now() + 60_000;
  for (;;) {
    try {
      await auth.validate({ credential: "nonsense" });
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await pause(100);
    }
  }
}

async function signedIn(any: () => Darkroom): Promise<Client> {
  const username = `crash-${crypto.randomUUID()}`;
  const password = "a good long password";
  await any().auth.signUp({ username, password });
  const { tokens } = await any().auth.login({ identity: username, password });
  return new Client(any, tokens?.accessToken ?? "");
}

async function judge(callers: readonly Client[], engines: Engines) {
  const end = performance.now() + settleMs;
  const isOver = () => performance.now() > end;
  const wrong: string[] = [];
  const ended: ImageJob[] = [];
  let repeats = 0;

  async function judgeJob(caller: Client, job: Submitted): Promise<void> {
    repeats += job.repeats;
    const told = await caller.poll(job, isOver);
    await caller.poll(job, isOver);
    if (told === undefined) return void wrong.push(`${job.jobId} never ended`);
    if (job.ends.size !== 1) wrong.push(`${job.jobId} ended as ${[...job.ends].join(" and as ")}`);
    ended.push(told);
    if (told.state === State.SUCCEEDED) {
      const [imageId = ""] = told.outputImageIds;
      const developed = await caller.picture(imageId).catch(String);
      const expected = await expectedOf(job.picture);
      if (typeof developed === "string") wrong.push(`${job.jobId}'s picture cannot be fetched: ${developed}`);
      else if (!Buffer.from(expected).equals(developed)) wrong.push(`${job.jobId} has another picture than its own`);
    } else if (told.error?.reason !== "WORKER_LOST") {
      wrong.push(`${job.jobId} ended as ${told.state}, ${told.error?.reason}`);
    }
  }

  const judged = callers.map(async (caller) => {
    for (const job of caller.submitted) await judgeJob(caller, job);
  });
  await Promise.all(judged);
  while (engines.messages() > 0 && !isOver()) await pause(200);
  if (engines.messages() > 0) wrong.push(`${engines.messages()} messages are left in the queues`);
  const ids = callers.flatMap(({ submitted }) => submitted.map(({ jobId }) => jobId));
  if (new Set(ids).size !== ids.length) wrong.push("two submits got the same job");
  const succeeded = ended.filter(({ state }) => state === State.SUCCEEDED).length;
  const attempts = ended.reduce((sum, { attempt }) => sum + attempt, 0);
  return {
    acknowledged: ids.length,
    succeeded,
    failed: ended.length - succeeded,
    attempts,
    redeliveries: engines.redeliveries(),
    repeats,
    wrong,
  };
}

export function describeOutcome(name: string, seed: number, outcome: Outcome): string {
  const { crashes, faults, acknowledged, succeeded, failed, attempts, redeliveries, repeats } = outcome;
  return (
    `${name}, seed ${seed}: ${crashes} crashes and ${faults} other faults; ${acknowledged} acknowledged jobs, ` +
    `${succeeded} succeeded, ${failed} lost their workers three times; ${attempts} attempts, ` +
    `${attempts - acknowledged} of them again; ${redeliveries} redeliveries; ${repeats} submits sent again\n`
  );
}
