import { randomUUID } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import { Principal_Kind } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { State } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { bearer } from "../../src/client/index.ts";
import { readServerConfig } from "../../src/config/config.ts";
import { smallPicture } from "../support/pictures.ts";
import { drain, refusal } from "../support/refusals.ts";
import { serve, signIn } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";
import { openWorkerQueues } from "../support/worker-queues.ts";

const key = "the-image-service's-key";
const ways: readonly Record<string, string>[] = [
  { authorization: key },
  { authorization: `Bearer ${key}` },
  { "x-api-key": key },
];

const server = await shareServer({ IMAGE_SERVICE_API_KEY: key }, { worker: false });
const queues = await openWorkerQueues(server.dataDir);
const owner = await signIn(server);
const { jobs, auth } = server;
const { image } = await jobs.uploadImage({ data: await smallPicture("jpeg") }, owner.credential);
const input = image?.id ?? "";

const fetchPicture = (uuid: string, headers: Record<string, string>, url = server.url) =>
  fetch(`${url}/download/${uuid}`, { headers });
const post = async (headers: Record<string, string>, body?: Uint8Array<ArrayBuffer>) =>
  fetch(`${server.url}/images`, {
    method: "POST",
    headers: { ...headers, "content-type": "image/png" },
    body: body ?? (await smallPicture()),
  });
const upload = async (headers = ways[0]) => ((await (await post(headers ?? {})).json()) as { uuid: string }).uuid;
const submit = async (who = owner, imageId = input) => {
  const { job } = await jobs.submitImageJob({ imageId, prompt: "sepia" }, who.credential);
  return queues.message(job?.id ?? "");
};
const succeeds = (jobId: string, who = owner) =>
  vi.waitFor(async () => {
    const { job } = await jobs.pollImageJob({ jobId }, who.credential);
    expect(job?.state).toBe(State.SUCCEEDED);
    return job;
  });

describe.each(ways)("a worker with %j", (headers) => {
  test("fetches a job's picture and stores its own, which becomes the owner's", async () => {
    const { message_id, uuid } = await submit();
    const fetched = await fetchPicture(uuid, headers);
    expect([fetched.status, fetched.headers.get("content-type")]).toEqual([200, "image/jpeg"]);
    const output = await upload(headers);
    expect(await refusal(jobs.getImage({ imageId: output }, owner.credential))).toMatchObject({ code: "NotFound" });
    await queues.settled(await queues.send({ message_id, uuid_processed: output }));
    expect(await succeeds(message_id)).toMatchObject({ outputImageIds: [output], attempt: 0 });
    expect(await drain(jobs.getImage({ imageId: output }, owner.credential))).toHaveLength(1);
  });
});

describe("a picture that the key brought", () => {
  test("is given to one job alone", async () => {
    const stranger = await signIn(server);
    const { image: theirs } = await jobs.uploadImage({ data: await smallPicture() }, stranger.credential);
    const [first, second] = [await submit(), await submit(stranger, theirs?.id)];
    const output = await upload();
    await queues.settled(await queues.send({ message_id: first.message_id, uuid_processed: output }));
    await succeeds(first.message_id);
    for (const uuid_processed of [output, input]) {
      const sent = await queues.send({ message_id: second.message_id, uuid_processed });
      expect(await queues.putAside(sent)).toBe("ForeignPicture");
    }
    const { job } = await jobs.pollImageJob({ jobId: second.message_id }, stranger.credential);
    expect(job?.state).toBe(State.QUEUED);
    expect(await refusal(jobs.getImage({ imageId: output }, stranger.credential))).toMatchObject({ code: "NotFound" });
  });

  test("is put aside with another job's, and stays nobody's", async () => {
    const [mine, other] = [await submit(), await submit()];
    const [output, foreign] = [await upload(), await upload({ authorization: other.token })];
    const ids = { uuids_processed: [output, foreign] };
    expect(await queues.putAside(await queues.send({ message_id: mine.message_id, ...ids }))).toBe("ForeignPicture");
    await queues.settled(await queues.send({ message_id: mine.message_id, uuid_processed: output }));
    expect((await succeeds(mine.message_id))?.outputImageIds).toEqual([output]);
  });
});

describe("the key", () => {
  test("is known to Validate, as nobody's", async () => {
    const { valid, principal } = await auth.validate({ credential: key });
    expect({ valid, principal }).toMatchObject({ valid: true, principal: { kind: Principal_Kind.WORKER } });
    expect(principal?.account ?? principal?.client).toBeUndefined();
  });

  test("makes no call", async () => {
    for (const call of [
      () => auth.checkAuth({}, bearer(key)),
      () => jobs.getImage({ imageId: input }, bearer(key)),
      () => jobs.listImageJobs({}, bearer(key)),
      () => server.worker.claimJob({ dispatch: 1 }, bearer(key)),
    ]) {
      expect(await refusal(call())).toMatchObject({ code: "PermissionDenied", reason: "NOT_ALLOWED" });
    }
  });

  test("finds no picture that is not there", async () => {
    expect((await fetchPicture(randomUUID(), { authorization: key })).status).toBe(404);
  });

  test.each([`${key}x`, key.slice(1), `Basic ${key}`, `${key} ${key}`, ` ${key.toUpperCase()}`])(
    "is not %j",
    async (authorization) => {
      const [fetched, stored] = [await fetchPicture(input, { authorization }), await post({ authorization })];
      expect([fetched.status, stored.status]).toEqual([401, 401]);
    },
  );

  test("is nothing to a server that has none", async () => {
    const { url } = await serve({}, { worker: false });
    for (const headers of ways) expect((await fetchPicture(input, headers, url)).status).toBe(401);
  });

  test("may be set with its scheme, as it is sent to the image service", async () => {
    const { url } = await serve({ IMAGE_SERVICE_API_KEY: `Bearer ${key}` }, { worker: false });
    for (const headers of ways) expect((await fetchPicture(randomUUID(), headers, url)).status).toBe(404);
    expect((await fetchPicture(randomUUID(), { authorization: `Bearer ${key}x` }, url)).status).toBe(401);
  });

  test("opens nothing more where authentication is off", async () => {
    const open = await serve({ AUTH_ENABLED: "false", IMAGE_SERVICE_API_KEY: key }, { worker: false });
    expect(await refusal(open.jobs.listImageJobs({}, bearer(key)))).toMatchObject({ code: "PermissionDenied" });
  });
});

describe("a job's token without a scheme", () => {
  test("opens the job's pictures and no other", async () => {
    const { uuid, token } = await submit();
    const { image: unused } = await jobs.uploadImage({ data: await smallPicture() }, owner.credential);
    const bare = { authorization: token };
    const fetched = [await fetchPicture(uuid, bare), await fetchPicture(unused?.id ?? "", bare)];
    expect(fetched.map(({ status }) => status)).toEqual([200, 404]);
    expect((await post(bare)).status).toBe(201);
  });
});

test.each([
  ["sixteen-letters!", true],
  ["x".repeat(1024), true],
  ["Bearer sixteen-letters!", true],
  ["Bearer fifteen-letters", false],
  ["Basic sixteen-letters!", false],
  ["fifteen-letters", false],
  ["x".repeat(1025), false],
  ["seventeen letters", false],
  ["sixteen-letters-é", false],
])("%s as the key: %j", (text, isTaken) => {
  const read = () => readServerConfig({ IMAGE_SERVICE_API_KEY: text }).imageService;
  if (isTaken) expect(read()).toEqual({ url: undefined, key: text });
  else expect(read).toThrow(/^IMAGE_SERVICE_API_KEY: must be 16 to 1024 /);
});
