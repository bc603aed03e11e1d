import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { expect, test, vi } from "vitest";
import { bearer } from "../../src/client/index.ts";
import { paddedPng } from "../support/pictures.ts";
import { refusal } from "../support/refusals.ts";
import { signIn, signInAdmin, submitJob } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";
import { openWorkerQueues } from "../support/worker-queues.ts";

/** Longer than a running answer goes on without asking. */
const askedAgainMs = 1100;
/** More than a caller's and a server's sockets hold between them. */
const large = await paddedPng(20 * 1024 * 1024);

const server = await shareServer({}, { worker: false });
const { auth, jobs } = server;
const queues = await openWorkerQueues(server.dataDir);
const { credential: admin } = await signInAdmin({ auth });

async function newOwner() {
  const { token, account, credential } = await signIn(server);
  const { image } = await jobs.uploadImage({ data: large }, credential);
  const disable = () => auth.setUserDisabled({ userId: account?.id ?? "", disabled: true }, admin);
  return { token, credential, imageId: image?.id ?? "", disable };
}

/** Waits until a caller who is asked about now was last asked about before. */
async function happened(event: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  await event();
  await vi.waitUntil(() => performance.now() - startedAt > askedAgainMs, { timeout: 10_000 });
}

/** Begins an answer, takes no more of it until the event is a second old, and then the rest. */
async function getThrough(imageId: string, token: string, event: () => Promise<unknown>): Promise<number> {
  const stream = jobs.getImage({ imageId }, bearer(token))[Symbol.asyncIterator]();
  let size = (await stream.next()).value?.data.length ?? 0;
  await happened(event);
  for (let next = await stream.next(); !next.done; next = await stream.next()) size += next.value.data.length;
  return size;
}

async function downloadThrough(uuid: string, token: string, event: () => Promise<unknown>): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  const sending = request(`${server.url}/download/${uuid}`, { headers, agent: false }).end();
  const [response] = (await once(sending, "response")) as [IncomingMessage];
  await happened(event);
  let size = 0;
  for await (const piece of response) size += piece.length;
  return size;
}

const ways = { GetImage: getThrough, "GET /download": downloadThrough };

test.each(Object.entries(ways))("%s goes on for whoever is still there", async (_, through) => {
  const { imageId, token } = await newOwner();
  expect(await through(imageId, token, async () => {})).toBe(large.length);
});

test("GetImage ends for a caller who is disabled while it runs", async () => {
  const { imageId, token, disable } = await newOwner();
  expect(await refusal(getThrough(imageId, token, disable))).toMatchObject({ reason: "SESSION_ENDED" });
});

test("GET /download is cut for a caller who is disabled while it runs", async () => {
  const { imageId, token, disable } = await newOwner();
  await expect(downloadThrough(imageId, token, disable)).rejects.toThrow("aborted");
});

test("WatchImageJob ends for a client that loses the scope for it", async () => {
  const scopes = ["images:write", "jobs:submit", "jobs:read"];
  const { client, apiKey } = await auth.createClient({ client: { name: "a service", scopes } }, admin);
  const { jobId } = await submitJob({ jobs }, bearer(apiKey));
  const stream = jobs.watchImageJob({ jobId }, bearer(apiKey))[Symbol.asyncIterator]();
  await stream.next();
  const left = { id: client?.id ?? "", scopes: scopes.slice(0, -1) };
  await auth.updateClient({ client: left, updateMask: { paths: ["scopes"] } }, admin);
  const toItsEnd = async () => {
    while (!(await stream.next()).done);
  };
  expect(await refusal(toItsEnd())).toMatchObject({ reason: "CREDENTIAL_INVALID" });
});

test("GetImage ends for a worker whose job is cancelled while it runs", async () => {
  const { imageId, credential } = await newOwner();
  const { job } = await jobs.submitImageJob({ imageId, prompt: "sepia" }, credential);
  const jobId = job?.id ?? "";
  const { token } = await queues.message(jobId);
  const cancelled = refusal(getThrough(imageId, token, () => jobs.cancelImageJob({ jobId }, credential)));
  expect(await cancelled).toMatchObject({ reason: "JOB_ENDED" });
});
