import { randomUUID } from "node:crypto";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, describe, expect, test, vi } from "vitest";
import { Principal_Kind } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { type ImageJob, State } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { bearer } from "../../src/client/index.ts";
import { runningClock } from "../contracts/movable-clock.ts";
import { atOnce } from "../contracts/samples.ts";
import { smallPicture } from "../support/pictures.ts";
import { drain, refusal } from "../support/refusals.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { serve, signIn, signInAdmin, submitJob } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";
import { openWorkerQueues } from "../support/worker-queues.ts";

const patience = { timeout: 30_000, interval: 50 };

/** A server without a worker, an account on it, and what a worker of ours does. */
async function workshop(env: Record<string, string> = {}) {
  const server = await shareServer(env, { worker: false });
  const queues = await openWorkerQueues(server.dataDir);
  const owner = await signIn(server);
  const { jobs, worker } = server;
  const { image } = await jobs.uploadImage({ data: await smallPicture() }, owner.credential);
  const imageId = image?.id ?? "";

  const poll = async (jobId: string): Promise<ImageJob> => {
    const { job } = await jobs.pollImageJob({ jobId }, owner.credential);
    if (job === undefined) throw new Error("the answer has no job");
    return job;
  };
  const submit = async (prompt = "sepia") => {
    const { job } = await jobs.submitImageJob({ imageId, prompt }, owner.credential);
    return queues.message(job?.id ?? "");
  };
  const claim = ({ token, dispatch }: { token: string; dispatch: number }) =>
    worker.claimJob({ dispatch }, bearer(token));
  const beat = (token: string, progress = 0) => worker.heartbeat({ progress }, bearer(token));
  const upload = async (token: string) =>
    (await jobs.uploadImage({ data: await smallPicture("webp") }, bearer(token))).image?.id ?? "";
  const reaches = (jobId: string, state: State) =>
    vi.waitFor(async () => {
      const job = await poll(jobId);
      expect(job.state).toBe(state);
      return job;
    }, patience);
  const claimed = async () => {
    const message = await submit();
    return { ...message, ...(await claim(message)) };
  };
  return { server, queues, owner, imageId, poll, submit, claim, claimed, beat, upload, reaches, ...server };
}

const shop = await workshop();
const { queues, owner, jobs, auth, worker } = shop;

describe("a job's message", () => {
  test("has all that a worker needs", async () => {
    const wanted = { prompt: "grain", promptGuidance: 3, strength: 0.25, seed: 7, imageCount: 2 };
    const { job } = await jobs.submitImageJob({ imageId: shop.imageId, ...wanted }, owner.credential);
    expect(await queues.message(job?.id ?? "")).toEqual({
      message_id: job?.id,
      uuid: shop.imageId,
      prompt: "grain",
      prompt_guidance: 3,
      strength: 0.25,
      model_type: "studio",
      token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      dispatch: 1,
      seed: 7,
      image_count: 2,
    });
  });
});

describe("a claim", () => {
  test("gives the first attempt, a lease and a token of its own", async () => {
    const message = await shop.submit();
    const claim = await shop.claim(message);
    expect(claim).toMatchObject({ attempt: 1, lease: { seconds: 15n } });
    expect(claim.jobToken).not.toBe(message.token);
    const job = await shop.poll(message.message_id);
    expect(job).toMatchObject({ state: State.RUNNING, attempt: 1, progress: 0 });
    expect(job.deadline).toEqual(claim.deadline);
    expect(job.startTime).toBeDefined();
  });

  test("is refused while another lease lives", async () => {
    const message = await shop.claimed();
    expect(await refusal(shop.claim(message))).toMatchObject({ code: "Aborted", reason: "LEASE_HELD" });
    expect(await shop.poll(message.message_id)).toMatchObject({ state: State.RUNNING, attempt: 1 });
  });

  test("is given to one of those who ask at once", async () => {
    const message = await shop.submit();
    const claims = await Promise.allSettled(Array.from({ length: 10 }, () => shop.claim(message)));
    expect(claims.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("of another dispatch is refused", async () => {
    const message = await shop.submit();
    for (const dispatch of [0, 2]) {
      const refused = await refusal(shop.claim({ ...message, dispatch }));
      expect(refused).toMatchObject({ code: "FailedPrecondition", reason: "DISPATCH_SUPERSEDED" });
    }
  });

  test("of a job that has ended is refused, and says so", async () => {
    const message = await shop.submit();
    await jobs.cancelImageJob({ jobId: message.message_id }, owner.credential);
    const refused = await refusal(shop.claim(message));
    expect(refused.reason).toBe("JOB_ENDED");
    expect(["FailedPrecondition", "Unauthenticated"]).toContain(refused.code);
  });
});

describe("a heartbeat", () => {
  test("reports progress to who watches, and it never goes back", async () => {
    const { message_id: jobId, jobToken } = await shop.claimed();
    const seen: number[] = [];
    const watching = (async () => {
      for await (const { job } of jobs.watchImageJob({ jobId }, owner.credential)) seen.push(job?.progress ?? 0);
    })();
    for (const [progress, expected] of [
      [0.25, 0.25],
      [0.5, 0.5],
      [0.1, 0.5],
      [1, 1],
    ] as const) {
      expect(await shop.beat(jobToken, progress)).toMatchObject({ lease: { seconds: 15n } });
      expect((await shop.poll(jobId)).progress).toBe(expected);
      await vi.waitFor(() => expect(seen.at(-1)).toBe(expected), patience);
    }
    await jobs.cancelImageJob({ jobId }, owner.credential);
    await watching;
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });

  test.each([-0.1, 1.1, Number.NaN, Number.POSITIVE_INFINITY])("refuses a progress of %d", async (progress) => {
    const { message_id: jobId, jobToken } = await shop.claimed();
    const refused = await refusal(shop.beat(jobToken, progress));
    expect(refused).toMatchObject({ code: "InvalidArgument", fields: ["progress"] });
    expect((await shop.poll(jobId)).progress).toBe(0);
  });

  test("needs the token that the claim gave", async () => {
    const { token } = await shop.claimed();
    expect(await refusal(shop.beat(token))).toMatchObject({ code: "Unauthenticated", reason: "NOT_CLAIMED" });
  });

  test("of a cancelled job is refused", async () => {
    const { message_id: jobId, jobToken } = await shop.claimed();
    await jobs.cancelImageJob({ jobId }, owner.credential);
    const refused = await refusal(shop.beat(jobToken, 0.5));
    expect(refused.reason).toBe("JOB_ENDED");
    expect(["FailedPrecondition", "Unauthenticated"]).toContain(refused.code);
    expect(await shop.poll(jobId)).toMatchObject({ state: State.CANCELLED, progress: 0 });
  });
});

describe("a result", () => {
  test("of the current attempt ends the job, and the picture is the owner's", async () => {
    const { message_id, attempt, jobToken } = await shop.claimed();
    const uuid = await shop.upload(jobToken);
    expect(await refusal(jobs.getImage({ imageId: uuid }, owner.credential))).toMatchObject({ code: "NotFound" });
    await queues.send({ message_id, uuid_processed: uuid, attempt });

    const job = await shop.reaches(message_id, State.SUCCEEDED);
    expect(job).toMatchObject({ outputImageIds: [uuid], progress: 1 });
    const [first] = await drain(jobs.getImage({ imageId: uuid }, owner.credential));
    expect(first?.image?.contentType).toBe("image/webp");
    const { job: next } = await jobs.submitImageJob({ imageId: uuid, prompt: "sepia" }, owner.credential);
    expect(next?.imageId).toBe(uuid);
  });

  test("may name several pictures", async () => {
    const { message_id, attempt, jobToken } = await shop.claimed();
    const ids = [await shop.upload(jobToken), await shop.upload(jobToken)];
    await queues.send({ message_id, uuid_processed: ids[0], uuids_processed: ids, attempt });
    expect((await shop.reaches(message_id, State.SUCCEEDED)).outputImageIds).toEqual(ids);
  });

  test("that came twice changes nothing", async () => {
    const { message_id, attempt, jobToken } = await shop.claimed();
    const uuid = await shop.upload(jobToken);
    await queues.send({ message_id, uuid_processed: uuid, attempt });
    const ended = await shop.reaches(message_id, State.SUCCEEDED);
    await queues.settled(
      await queues.send({ message_id, attempt, error: { reason: "TOO_LATE", message: "too late", retryable: false } }),
    );
    expect(await shop.poll(message_id)).toEqual(ended);
  });

  test("that says why it failed ends the job with that", async () => {
    const { message_id, attempt } = await shop.claimed();
    await queues.send({ message_id, attempt, error: { reason: "NO_LIGHT", message: "too dark", retryable: false } });
    const { error } = await shop.reaches(message_id, State.FAILED);
    expect(error).toMatchObject({ reason: "NO_LIGHT", message: "too dark" });
  });

  test("that may be retried puts the job back, with a new message", async () => {
    const first = await shop.claimed();
    const { message_id } = first;
    await queues.send({ message_id, attempt: 1, error: { reason: "BUSY", message: "busy", retryable: true } });
    const again = await queues.message(message_id, 2);
    expect(await shop.poll(message_id)).toMatchObject({ state: State.QUEUED, attempt: 1, progress: 0 });
    expect(await refusal(shop.claim(first))).toMatchObject({ reason: "DISPATCH_SUPERSEDED" });
    expect(await shop.claim(again)).toMatchObject({ attempt: 2 });
    expect(await shop.poll(message_id)).toMatchObject({ state: State.RUNNING, attempt: 2 });
    expect(await refusal(shop.upload(first.jobToken))).toMatchObject({ reason: "LEASE_LOST" });
  });

  test("that names somebody else's picture is put aside, and the job goes on", async () => {
    const { message_id, attempt, jobToken } = await shop.claimed();
    const other = await shop.claimed();
    for (const uuid of [shop.imageId, await shop.upload(other.jobToken), randomUUID()]) {
      const sent = await queues.send({ message_id, uuid_processed: uuid, attempt });
      expect(await queues.putAside(sent)).toBe("ForeignPicture");
    }
    expect(await shop.poll(message_id)).toMatchObject({ state: State.RUNNING, outputImageIds: [] });
    await queues.send({ message_id, uuid_processed: await shop.upload(jobToken), attempt });
    await shop.reaches(message_id, State.SUCCEEDED);
  });

  test("that makes no sense is put aside, and the job goes on", async () => {
    const { message_id, attempt, jobToken } = await shop.claimed();
    const uuid = await shop.upload(jobToken);
    const malformed = [
      "no JSON",
      "[]",
      "null",
      {},
      { message_id },
      { message_id, attempt, uuid_processed: "" },
      { message_id, attempt, uuids_processed: [] },
      { message_id, attempt, uuids_processed: [uuid, uuid, uuid, uuid, uuid] },
      { message_id, attempt, uuids_processed: uuid },
      { message_id, attempt: 0, uuid_processed: uuid },
      { message_id, attempt: "1", uuid_processed: uuid },
      { message_id, attempt, error: "it failed" },
      { message_id, attempt, error: {} },
      { message_id: { $gt: "" }, uuid_processed: uuid },
      { message_id: "' OR 1=1 --", uuid_processed: uuid },
    ];
    for (const body of malformed) expect(await queues.putAside(await queues.send(body))).toBe("Malformed");
    expect(await queues.putAside(await queues.send({ message_id: randomUUID(), uuid_processed: uuid }))).toBe(
      "UnknownJob",
    );
    expect(await shop.poll(message_id)).toMatchObject({ state: State.RUNNING, attempt: 1 });
    await shop.beat(jobToken, 0.5);
  });

  test("of an attempt that there never was changes nothing", async () => {
    const { message_id, jobToken } = await shop.claimed();
    await queues.settled(await queues.send({ message_id, uuid_processed: await shop.upload(jobToken), attempt: 2 }));
    expect(await shop.poll(message_id)).toMatchObject({ state: State.RUNNING, attempt: 1 });
  });
});

describe("a result where results are kept for a day, and uploads for longer", async () => {
  const brief = await workshop({ DARKROOM_KEEP_RESULTS_DAYS: "1" });

  test("is kept for a day", async () => {
    const { message_id, attempt, jobToken } = await brief.claimed();
    const imageId = await brief.upload(jobToken);
    await brief.queues.send({ message_id, uuid_processed: imageId, attempt });
    await brief.reaches(message_id, State.SUCCEEDED);
    const [first] = await drain(brief.jobs.getImage({ imageId }, brief.owner.credential));
    const left = Number(first?.image?.expireTime?.seconds) - Date.now() / 1000;
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(24 * 3600);
  });
});

describe("an old worker, which never claims", () => {
  const post = async (token: string, authorization = `Bearer ${token}`) =>
    fetch(`${shop.url}/images`, {
      method: "POST",
      headers: { authorization, "content-type": "image/png" },
      body: await smallPicture(),
    });

  test("fetches, posts and names one picture, and the job succeeds", async () => {
    const { message_id, uuid, token } = await shop.submit();
    const input = await fetch(`${shop.url}/download/${uuid}`, { headers: { authorization: `Bearer ${token}` } });
    expect(Buffer.from(await input.arrayBuffer()).equals(await smallPicture())).toBe(true);
    const { uuid: output } = (await (await post(token)).json()) as { uuid: string };
    await queues.send({ message_id, uuid_processed: output });
    const job = await shop.reaches(message_id, State.SUCCEEDED);
    expect(job).toMatchObject({ attempt: 0, outputImageIds: [output] });
    expect(await drain(jobs.getImage({ imageId: output }, owner.credential))).toHaveLength(1);
  });

  test("may post its pictures again, up to a hundred for a job in a day, without what fails", async () => {
    const [job, other] = [await shop.submit(), await shop.submit()];
    const statuses = async (count: number) => (await atOnce(count, () => post(job.token))).map(({ status }) => status);
    expect(await statuses(10)).toEqual(Array(10).fill(201));
    const broken = fetch(`${shop.url}/images`, {
      method: "POST",
      headers: { authorization: `Bearer ${job.token}`, "content-type": "image/png" },
      body: "none",
    });
    expect((await broken).status).toBe(400);
    const { jobToken } = await shop.claim(job);
    for (let left = 79; left > 0; left -= 1) await shop.upload(jobToken);
    // Of twelve more at once one is too many, whichever it is, and stays so.
    expect((await statuses(12)).toSorted()).toEqual([...Array(11).fill(201), 409]);
    expect(await refusal(shop.upload(jobToken))).toMatchObject({
      code: "FailedPrecondition",
      reason: "TOO_MANY_UPLOADS",
    });
    expect((await post(other.token)).status).toBe(201);
  });

  test("cannot post once the job has ended", async () => {
    const { message_id, token } = await shop.submit();
    await jobs.cancelImageJob({ jobId: message_id }, owner.credential);
    const response = await post(token);
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ reason: "JOB_ENDED" });
  });

  test("cannot bring back a job that was cancelled", async () => {
    const { message_id, token } = await shop.submit();
    const { uuid } = (await (await post(token)).json()) as { uuid: string };
    await jobs.cancelImageJob({ jobId: message_id }, owner.credential);
    await queues.settled(await queues.send({ message_id, uuid_processed: uuid }));
    expect(await shop.poll(message_id)).toMatchObject({ state: State.CANCELLED, outputImageIds: [] });
    expect(await refusal(jobs.getImage({ imageId: uuid }, owner.credential))).toMatchObject({ code: "NotFound" });
  });
});

describe("a job's token", () => {
  test("says whose job it is", async () => {
    const { message_id, token, jobToken } = await shop.claimed();
    for (const credential of [token, jobToken]) {
      const { principal } = await auth.checkAuth({}, bearer(credential));
      expect(principal).toMatchObject({ kind: Principal_Kind.JOB, jobId: message_id, account: owner.account });
      expect(principal?.sessionId).toBe("");
      expect(await auth.validate({ credential })).toMatchObject({ valid: true, principal });
    }
  });

  test("opens the job's own pictures and no other", async () => {
    const { jobToken, uuid } = await shop.claimed();
    const other = await shop.claimed();
    const { image: unused } = await jobs.uploadImage({ data: await smallPicture() }, owner.credential);
    const output = await shop.upload(jobToken);
    for (const imageId of [uuid, output]) {
      expect(await drain(jobs.getImage({ imageId }, bearer(jobToken)))).toHaveLength(1);
    }
    for (const imageId of [unused?.id ?? "", await shop.upload(other.jobToken)]) {
      expect(await refusal(jobs.getImage({ imageId }, bearer(jobToken)))).toMatchObject({ code: "NotFound" });
      const authorization = `Bearer ${jobToken}`;
      expect((await fetch(`${shop.url}/download/${imageId}`, { headers: { authorization } })).status).toBe(404);
    }
  });

  test("makes no call that is its owner's", async () => {
    const { message_id: jobId, uuid: imageId, token, jobToken } = await shop.claimed();
    for (const as of [bearer(token), bearer(jobToken)]) {
      for (const call of [
        () => auth.logout({}, as),
        () => jobs.submitImageJob({ imageId, prompt: "sepia" }, as),
        () => jobs.pollImageJob({ jobId }, as),
        () => jobs.watchImageJob({ jobId }, as),
        () => jobs.listImageJobs({}, as),
        () => jobs.cancelImageJob({ jobId }, as),
        () => jobs.listModels({}, as),
      ]) {
        expect(await refusal(call())).toMatchObject({ code: "PermissionDenied", reason: "NOT_ALLOWED" });
      }
    }
  });

  test("is what a worker needs: a user cannot claim", async () => {
    expect(await refusal(worker.claimJob({ dispatch: 1 }, owner.credential))).toMatchObject({
      code: "PermissionDenied",
    });
    expect(await refusal(worker.heartbeat({}, owner.credential))).toMatchObject({ code: "PermissionDenied" });
    expect(await refusal(worker.heartbeat({}))).toMatchObject({ code: "Unauthenticated" });
  });

  test("is refused after the job has ended", async () => {
    const { message_id, attempt, token, jobToken, uuid: imageId } = await shop.claimed();
    await queues.send({ message_id, uuid_processed: await shop.upload(jobToken), attempt });
    await shop.reaches(message_id, State.SUCCEEDED);
    for (const credential of [token, jobToken]) {
      const refused = { code: "Unauthenticated", reason: "JOB_ENDED" };
      expect(await refusal(jobs.getImage({ imageId }, bearer(credential)))).toMatchObject(refused);
      expect(await refusal(auth.checkAuth({}, bearer(credential)))).toMatchObject(refused);
      expect(await auth.validate({ credential })).toMatchObject({ valid: false });
    }
  });

  test("claims nothing while its owner is disabled, who may be a client", async () => {
    const { credential: admin } = await signInAdmin({ auth });
    const user = await signIn(shop);
    const wanted = { name: "a service", scopes: ["images:write", "jobs:submit"] };
    const { client, apiKey } = await auth.createClient({ client: wanted }, admin);
    const disableUser = (disabled: boolean) =>
      auth.setUserDisabled({ userId: user.account?.id ?? "", disabled }, admin);
    const disableClient = (disabled: boolean) =>
      auth.updateClient({ client: { id: client?.id ?? "", disabled }, updateMask: { paths: ["disabled"] } }, admin);
    const owners = [
      { credential: user.credential, disable: disableUser },
      { credential: bearer(apiKey), disable: disableClient },
    ];
    for (const { credential, disable } of owners) {
      const { jobId } = await submitJob({ jobs }, credential);
      const message = await queues.message(jobId);
      await disable(true);
      expect(await refusal(shop.claim(message))).toMatchObject({ code: "Unauthenticated", reason: "OWNER_UNUSABLE" });
      await disable(false);
      expect(await shop.claim(message)).toMatchObject({ attempt: 1 });
    }
  });

  test("lasts through its owner's logout", async () => {
    const another = await signIn(shop);
    const { jobId } = await submitJob({ jobs }, another.credential);
    const message = await queues.message(jobId);
    await auth.logout({}, another.credential);
    expect(await shop.claim(message)).toMatchObject({ attempt: 1 });
  });
});

describe.concurrent("a lease that lapses", async () => {
  const hasty = await workshop({ DARKROOM_LEASE_SECONDS: "2" });

  test("puts the job back, and the attempt before counts no more", async () => {
    const first = await hasty.claimed();
    const { message_id, jobToken } = first;
    const picture = await hasty.upload(jobToken);
    const again = await hasty.queues.message(message_id, 2);
    expect(await hasty.poll(message_id)).toMatchObject({ state: State.QUEUED, attempt: 1, progress: 0 });

    const refused = await refusal(hasty.beat(jobToken, 0.9));
    expect(refused.reason).toBe("LEASE_LOST");
    expect(await hasty.auth.validate({ credential: jobToken })).toMatchObject({ valid: false });
    expect(await refusal(hasty.claim(first))).toMatchObject({ reason: "DISPATCH_SUPERSEDED" });
    await hasty.queues.settled(await hasty.queues.send({ message_id, uuid_processed: picture, attempt: 1 }));
    expect(await hasty.poll(message_id)).toMatchObject({ state: State.QUEUED, outputImageIds: [] });

    const second = await hasty.claim(again);
    expect(second.attempt).toBe(2);
    await hasty.queues.send({ message_id, uuid_processed: picture, attempt: 1 });
    const output = await hasty.upload(second.jobToken);
    await hasty.queues.send({ message_id, uuid_processed: output, attempt: 2 });
    expect((await hasty.reaches(message_id, State.SUCCEEDED)).outputImageIds).toEqual([output]);
  });

  test("is kept alive by heartbeats, longer than it would live", async () => {
    const { message_id, jobToken } = await hasty.claimed();
    const start = performance.now();
    await vi.waitFor(async () => {
      await hasty.beat(jobToken);
      expect(performance.now() - start).toBeGreaterThan(3000);
    }, patience);
    expect(await hasty.poll(message_id)).toMatchObject({ state: State.RUNNING, attempt: 1 });
  });

  test("for the third time fails the job, and says why", async () => {
    const { message_id } = await hasty.claimed();
    for (const dispatch of [2, 3]) {
      const claim = await hasty.claim(await hasty.queues.message(message_id, dispatch));
      expect(claim.attempt).toBe(dispatch);
    }
    const job = await hasty.reaches(message_id, State.FAILED);
    expect(job).toMatchObject({
      attempt: 3,
      error: { reason: "WORKER_LOST", message: expect.stringContaining("3 attempts") },
    });
    expect(job.endTime).toBeDefined();
  });
});

describe("a job whose deadline has passed", async () => {
  const dataDir = scratchDirectory(afterAll);
  const given = await openWorkerQueues(dataDir);

  test("has ended, by each of its tokens, long after as at once", async () => {
    const clock = runningClock();
    const server = await serve({}, { worker: false, clock, dataDir });
    const { credential } = await signIn(server);
    const { jobId } = await submitJob(server, credential, { deadline: timestampFromMs(clock() + 60_000) });
    const { token, dispatch } = await given.message(jobId);
    const { jobToken } = await server.worker.claimJob({ dispatch }, bearer(token));
    for (const passedMs of [60_000, 60_000]) {
      clock.advance(passedMs);
      const ended = { reason: "JOB_ENDED" };
      expect(await refusal(server.worker.claimJob({ dispatch }, bearer(token)))).toMatchObject(ended);
      expect(await refusal(server.worker.heartbeat({}, bearer(jobToken)))).toMatchObject(ended);
    }
  });
});

describe("a lease that lapses while the server is away", async () => {
  const dataDir = scratchDirectory(afterAll);
  const given = await openWorkerQueues(dataDir);

  test("lives on for a worker that is still there", async () => {
    const clock = runningClock();
    const before = await serve({}, { worker: false, clock, dataDir });
    const { credential } = await signIn(before);
    const { image } = await before.jobs.uploadImage({ data: await smallPicture() }, credential);
    const submit = async (aheadMs: number) => {
      const wanted = { imageId: image?.id ?? "", prompt: "sepia", deadline: timestampFromMs(clock() + aheadMs) };
      return (await before.jobs.submitImageJob(wanted, credential)).job?.id ?? "";
    };
    const [jobId, expiring] = [await submit(600_000), await submit(60_000)];
    const { token, dispatch } = await given.message(jobId);
    const { jobToken } = await before.worker.claimJob({ dispatch }, bearer(token));
    await before.app.stop();
    clock.advance(60_000);

    const server = await serve({}, { worker: false, clock, dataDir });
    const poll = async (id: string) => (await server.jobs.pollImageJob({ jobId: id }, credential)).job;
    await vi.waitFor(async () => expect((await poll(expiring))?.state).toBe(State.EXPIRED), patience);
    await server.worker.heartbeat({ progress: 0.5 }, bearer(jobToken));
    expect(await poll(jobId)).toMatchObject({ state: State.RUNNING, attempt: 1, progress: 0.5 });
  });
});
