import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { expect, test, vi } from "vitest";
import type { RedriveRequestSchema } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { bearer, type DeadLetter, DeadLetterSource, State } from "../../src/client/index.ts";
import { smallPicture } from "../support/pictures.ts";
import { run } from "../support/process.ts";
import { refusal } from "../support/refusals.ts";
import { serve, signIn, signInAdmin, type TestServer } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";
import { openWorkerQueues } from "../support/worker-queues.ts";

const { JOB, RESULT, UNSPECIFIED } = DeadLetterSource;
const patience = { timeout: 30_000, interval: 50 };
const wait = { seconds: 60n };

const soon = () => timestampFromMs(Date.now() + 500);

async function workshop(server: TestServer) {
  const { auth, jobs } = server;
  const owner = await signIn(server);
  const { credential: admin } = await signInAdmin({ auth });
  const { image } = await jobs.uploadImage({ data: await smallPicture() }, owner.credential);
  const imageId = image?.id ?? "";
  const redrive = (source: DeadLetterSource, id: string) =>
    jobs.redrive({ what: { case: "one", value: { source, id } } }, admin);
  return {
    owner,
    admin,
    redrive,
    submit: async (wanted: { deadline?: Timestamp; requestId?: string } = {}) => {
      const { job } = await jobs.submitImageJob({ imageId, prompt: "sepia", ...wanted }, owner.credential);
      return job?.id ?? "";
    },
    poll: async (jobId: string) => (await jobs.pollImageJob({ jobId, wait }, owner.credential)).job,
    redriveAll: (source: DeadLetterSource) => jobs.redrive({ what: { case: "all", value: { source } } }, admin),
    list: async (source: DeadLetterSource = UNSPECIFIED) => (await jobs.listDeadLetters({ source }, admin)).deadLetters,
  };
}

const server = await shareServer({}, { worker: false });
const queues = await openWorkerQueues(server.dataDir);
const { jobs, worker } = server;
const shop = await workshop(server);
const { owner, admin } = shop;

test("an expired job is seen, sent again, and developed", async () => {
  const alone = await serve({}, { worker: false });
  const { submit, poll, list, redrive, owner: its } = await workshop(alone);
  const wanted = { deadline: soon(), requestId: "once" };
  const id = await submit(wanted);
  const expired = await poll(id);
  expect(expired).toMatchObject({ state: State.EXPIRED });
  const [letter, ...others] = await list();
  expect(others).toEqual([]);
  expect(letter).toMatchObject({ source: JOB, id, reason: "DEADLINE_PASSED", description: expired?.error?.message });
  expect([letter?.job, letter?.time, letter?.ownerId]).toEqual([expired, expired?.endTime, its.account?.id]);

  expect(await redrive(JOB, id)).toMatchObject({ redriven: 1, skipped: 0 });
  const queued = (await alone.jobs.pollImageJob({ jobId: id }, its.credential)).job;
  expect(queued).toMatchObject({ state: State.QUEUED, attempt: 0 });
  expect([queued?.error, queued?.endTime]).toEqual([undefined, undefined]);
  const left = Number(queued?.deadline?.seconds) - Number(queued?.queueTime?.seconds);
  expect(left).toBe(24 * 3600);
  expect(await list()).toEqual([]);
  expect(await refusal(redrive(JOB, id))).toMatchObject({ code: "FailedPrecondition", reason: "JOB_NOT_DEAD" });

  run(["worker"], { DARKROOM_SERVER_URL: alone.url, DARKROOM_DATA_DIR: alone.dataDir, LOG_LEVEL: "error" });
  expect(await poll(id)).toMatchObject({ state: State.SUCCEEDED, attempt: 1 });
  expect(await submit(wanted)).toBe(id);
});

test("what a job's life before left behind changes nothing in the one after", async () => {
  const jobId = await shop.submit();
  const first = await queues.message(jobId);
  const { jobToken } = await worker.claimJob({ dispatch: 1 }, bearer(first.token));
  const upload = async (token: string) =>
    (await jobs.uploadImage({ data: await smallPicture("webp") }, bearer(token))).image?.id ?? "";
  const late = await upload(jobToken);
  const error = { reason: "BROKEN", message: "it broke", retryable: false };
  await queues.settled(await queues.send({ message_id: jobId, attempt: 1, error }));
  expect(await shop.poll(jobId)).toMatchObject({ state: State.FAILED, error: { reason: "BROKEN" } });

  await shop.redrive(JOB, jobId);
  await queues.settled(await queues.send({ message_id: jobId, attempt: 1, uuid_processed: late }));
  await queues.settled(await queues.send({ message_id: jobId, attempt: 1, error }));
  expect(await refusal(worker.heartbeat({}, bearer(jobToken)))).toMatchObject({ reason: "LEASE_LOST" });
  const superseded = await refusal(worker.claimJob({ dispatch: 1 }, bearer(first.token)));
  expect(superseded).toMatchObject({ reason: "DISPATCH_SUPERSEDED" });
  const { job } = await jobs.pollImageJob({ jobId }, owner.credential);
  expect(job).toMatchObject({ state: State.QUEUED, attempt: 1 });

  const second = await queues.message(jobId, 2);
  const claim = await worker.claimJob({ dispatch: 2 }, bearer(second.token));
  expect(claim.attempt).toBe(2);
  await queues.settled(await queues.send({ message_id: jobId, attempt: 1, error }));
  const picture = await upload(claim.jobToken);
  await queues.settled(await queues.send({ message_id: jobId, attempt: 2, uuid_processed: picture }));
  expect(await shop.poll(jobId)).toMatchObject({ state: State.SUCCEEDED, attempt: 2, outputImageIds: [picture] });
  expect(await refusal(shop.redrive(JOB, jobId))).toMatchObject({ reason: "JOB_NOT_DEAD" });
});

test("a deleted client's job is not sent again, since no worker could claim it", async () => {
  const alone = await serve({}, { worker: false });
  const { admin: operator, redrive, redriveAll, list, submit, poll } = await workshop(alone);
  const wanted = { name: "a service", scopes: ["images:write", "jobs:submit", "jobs:read"] };
  const { client, apiKey } = await alone.auth.createClient({ client: wanted }, operator);
  const { image } = await alone.jobs.uploadImage({ data: await smallPicture() }, bearer(apiKey));
  const request = { imageId: image?.id ?? "", prompt: "sepia", deadline: soon() };
  const { job: { id = "" } = {} } = await alone.jobs.submitImageJob(request, bearer(apiKey));
  await poll(await submit({ deadline: soon() }));
  await alone.jobs.pollImageJob({ jobId: id, wait }, bearer(apiKey));
  await alone.auth.deleteClient({ clientId: client?.id ?? "" }, operator);
  const gone = { code: "FailedPrecondition", reason: "OWNER_GONE" };
  expect(await refusal(redrive(JOB, id))).toMatchObject(gone);
  expect(await redriveAll(UNSPECIFIED)).toMatchObject({ redriven: 1, skipped: 1 });
  expect(await list()).toMatchObject([{ id, reason: "DEADLINE_PASSED" }]);
});

test("a result that could not be read is seen, and read again when it is sent again", async () => {
  const lines: unknown[] = [];
  const note = (fields: object) => void lines.push(fields);
  const log = { debug: note, info: note, warn: note, error: note };
  const reading = await serve({}, { worker: false, log });
  const { list, redrive, redriveAll } = await workshop(reading);
  const body = `no JSON, and ${"long ".repeat(2000)}`;
  sendResult(reading.dataDir, "broken", body);
  const [letter] = await vi.waitFor(async () => {
    const letters = await list();
    expect(letters).toHaveLength(1);
    return letters;
  }, patience);
  expect(letter).toMatchObject({ source: RESULT, reason: "Malformed", description: "the body is not JSON" });
  expect([letter?.job, letter?.ownerId, letter?.time]).toEqual([undefined, "", undefined]);
  expect(Buffer.from(letter?.body ?? []).toString()).toBe(body.slice(0, 4096));
  expect(await list(JOB)).toEqual([]);

  const id = letter?.id ?? "";
  const readings = () => lines.filter((line) => (line as { message_id?: string }).message_id === "broken").length;
  for (const again of [() => redrive(RESULT, id), () => redriveAll(UNSPECIFIED)]) {
    const before = readings();
    expect(await again()).toMatchObject({ redriven: 1, skipped: 0, nextPageToken: "" });
    await vi.waitFor(() => expect(readings()).toBe(before + 1), patience);
    await vi.waitFor(async () => expect(await list(RESULT)).toMatchObject([{ id, reason: "Malformed" }]), patience);
  }
});

test("a result that nobody can use is discarded for good", async () => {
  const reading = await serve({}, { worker: false });
  const { list, redrive, admin: operator } = await workshop(reading);
  for (const id of ["broken", "broken too"]) sendResult(reading.dataDir, id, "no JSON");
  const ids = await vi.waitFor(async () => {
    const letters = await list(RESULT);
    expect(letters).toHaveLength(2);
    return letters.map((letter) => letter.id);
  }, patience);
  const [id = "", kept] = ids;
  expect(await reading.jobs.discardDeadLetters({ ids: [id, "77"] }, operator)).toMatchObject({ discarded: 1 });
  expect((await list(RESULT)).map((letter) => letter.id)).toEqual([kept]);
  expect(await refusal(redrive(RESULT, id))).toMatchObject({ reason: "DEAD_LETTER_NOT_FOUND" });
});

test("1 to 1000 results are discarded at once, each by its number", async () => {
  const numbers = Array.from({ length: 1001 }, (_, index) => String(index + 1000));
  expect(await jobs.discardDeadLetters({ ids: numbers.slice(1) }, admin)).toMatchObject({ discarded: 0 });
  for (const ids of [[], numbers, [crypto.randomUUID()], ["1", "1 OR 1=1"], ["-1"], [""]]) {
    const message = "ids: must be 1 to 1000 numbers of results";
    const refused = { code: "InvalidArgument", fields: ["ids"], message };
    expect(await refusal(jobs.discardDeadLetters({ ids }, admin))).toMatchObject(refused);
  }
});

test("jobs come the newest first and then results, a page at a time", async () => {
  const paging = await serve({}, { worker: false });
  const { submit, poll, admin: operator, redriveAll, list } = await workshop(paging);
  const ids: string[] = [];
  for (let made = 0; made < 3; made += 1) ids.unshift(await submit({ deadline: soon() }));
  await Promise.all(ids.map(poll));
  await submit();
  for (const id of ["x", "y"]) sendResult(paging.dataDir, id, id);
  await vi.waitFor(async () => expect(await list(RESULT)).toHaveLength(2), patience);

  const pagesOf = async (pageSize: number, source: DeadLetterSource = UNSPECIFIED) => {
    const seen: DeadLetter[] = [];
    let pageToken = "";
    do {
      const page = await paging.jobs.listDeadLetters({ pageSize, pageToken, source }, operator);
      expect(page.deadLetters.length).toBeLessThanOrEqual(pageSize);
      seen.push(...page.deadLetters);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return seen;
  };
  const all = await list();
  expect(
    all
      .filter(({ source }) => source === JOB)
      .map(({ id }) => id)
      .sort(),
  ).toEqual(ids.toSorted());
  expect(all.map(({ source }) => source)).toEqual([JOB, JOB, JOB, RESULT, RESULT]);
  for (const size of [1, 2, 3, 4, 5, 100]) expect(namesOf(await pagesOf(size))).toEqual(namesOf(all));
  expect(namesOf(await pagesOf(1, JOB))).toEqual(namesOf(all.slice(0, 3)));
  expect(namesOf(await pagesOf(1, RESULT))).toEqual(namesOf(all.slice(3)));

  const { nextPageToken: pageToken } = await paging.jobs.listDeadLetters({ pageSize: 1, source: JOB }, operator);
  for (const wrong of [{ pageToken, source: RESULT }, { pageToken: "bm9uZQ" }, { pageToken: "!" }]) {
    expect(await refusal(paging.jobs.listDeadLetters(wrong, operator))).toMatchObject({ fields: ["page_token"] });
  }
  expect(await redriveAll(JOB)).toMatchObject({ redriven: 3, skipped: 0, nextPageToken: "" });
  expect(namesOf(await list())).toEqual(namesOf(all.slice(3)));
});

type What = MessageInitShape<typeof RedriveRequestSchema>["what"];

test.each<[string, What, object]>([
  ["nothing", undefined, { code: "InvalidArgument", fields: ["what"] }],
  ["no source", { case: "one", value: { id: "1" } }, { code: "InvalidArgument", fields: ["source"] }],
  [
    "a source nobody knows",
    { case: "all", value: { source: 9 as DeadLetterSource } },
    { code: "InvalidArgument", fields: ["source"] },
  ],
  ["a token", { case: "all", value: { pageToken: "x" } }, { code: "InvalidArgument", fields: ["page_token"] }],
  ["no such job", { case: "one", value: { source: JOB, id: crypto.randomUUID() } }, { reason: "JOB_NOT_FOUND" }],
  ["no id", { case: "one", value: { source: JOB, id: "" } }, { reason: "JOB_NOT_FOUND" }],
  ["no such number", { case: "one", value: { source: RESULT, id: "999999" } }, { reason: "DEAD_LETTER_NOT_FOUND" }],
  ["no number", { case: "one", value: { source: RESULT, id: "1 OR 1=1" } }, { reason: "DEAD_LETTER_NOT_FOUND" }],
])("a redrive of %s is refused", async (_, what, expected) => {
  expect(await refusal(jobs.redrive(what === undefined ? {} : { what }, admin))).toMatchObject(expected);
});

test("a redrive is kept in the audit trail, with what was redriven", async () => {
  const id = crypto.randomUUID();
  await refusal(shop.redrive(JOB, id));
  await refusal(shop.redrive(RESULT, "77"));
  await refusal(shop.redrive(RESULT, "a password, pasted"));
  await shop.redriveAll(RESULT);
  await refusal(jobs.redrive({ what: { case: "all", value: {} } }, owner.credential));
  const { events } = await server.auth.listAuditEvents({ action: "dead_letters.redriven", pageSize: 4 }, admin);
  expect(events.map(({ target, reason }) => [target, reason])).toEqual([
    ["", ""],
    ["", "DEAD_LETTER_NOT_FOUND"],
    ["result:77", "DEAD_LETTER_NOT_FOUND"],
    [`job:${id}`, "JOB_NOT_FOUND"],
  ]);
});

test("so is what is discarded", async () => {
  for (const ids of [["77"], ["77", "78"]]) await jobs.discardDeadLetters({ ids }, admin);
  await refusal(jobs.discardDeadLetters({ ids: ["a password, pasted"] }, admin));
  const { events } = await server.auth.listAuditEvents({ action: "dead_letters.discarded", pageSize: 3 }, admin);
  expect(events.map(({ target, reason }) => [target, reason])).toEqual([
    ["", "INVALID_FIELD"],
    ["", ""],
    ["result:77", ""],
  ]);
});

function namesOf(letters: readonly DeadLetter[]): string[] {
  return letters.map(({ source, id }) => `${source} ${id}`);
}

/** Straight into the queue's file, since nobody may read the dead letters meanwhile. */
function sendResult(dataDir: string, id: string, body: string): void {
  const file = new DatabaseSync(join(dataDir, "queue.db"), { timeout: 10_000 });
  file
    .prepare("INSERT INTO messages (queue, id, body, visible_at) VALUES ('darkroom-results', ?, ?, 0)")
    .run(id, Buffer.from(body));
  file.close();
}
