import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, onTestFinished, test } from "vitest";
import { ImageJobService } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { bearer } from "../../src/client/index.ts";
import { readServerConfig } from "../../src/config/config.ts";
import { movableClock, runningClock } from "../contracts/movable-clock.ts";
import { atOnce } from "../contracts/samples.ts";
import { smallPicture } from "../support/pictures.ts";
import { refusal } from "../support/refusals.ts";
import { serve, signIn, signInAdmin, submitJob } from "../support/server.ts";
import { openUpstream } from "../support/upstream.ts";

const minute = 60_000;
const day = 24 * 60 * minute;
const dateOf = (time: number) => new Date(time).toISOString().slice(0, 10);

async function upstreamUrl(): Promise<string> {
  const upstream = await openUpstream();
  onTestFinished(() => upstream.close());
  upstream.on("POST /v1/chat", (_, response) => void response.end("{}"));
  upstream.on("POST /v1/other", (_, response) => void response.end("{}"));
  return upstream.url;
}

/** So many minutes before midnight, UTC. */
function before(minutes: number) {
  return runningClock(day - (Date.now() % day) - minutes * minute);
}

test("what causes work is counted under all its names, whether it succeeds or not, and nothing else is", async () => {
  const server = await serve({ RELAY_UPSTREAM_URL: await upstreamUrl() }, { worker: false });
  const { jobs, url } = server;
  const user = await signIn(server);
  const headers = { authorization: `Bearer ${user.token}` };
  const counted = async () => (await jobs.getUsage({}, user.credential)).days[0]?.requestCount ?? 0;
  expect(await jobs.getUsage({}, user.credential)).toMatchObject({ days: [], dailyLimit: 0 });

  const { imageId, jobId } = await submitJob({ jobs }, user.credential);
  expect(await counted()).toBe(1);
  await refusal(jobs.submitImageJob({}, user.credential));
  expect(await counted()).toBe(2);
  const query = new URLSearchParams({ prompt: "grain", prompt_guidance: "7", strength: "0.5", uuid: imageId });
  expect((await fetch(`${url}/api/send_message?${query}`, { headers })).status).toBe(200);
  expect((await fetch(`${url}/api/send_message?${query}`, { headers, method: "POST" })).status).toBe(200);
  expect(await counted()).toBe(4);
  expect((await fetch(`${url}/v1/chat`, { headers, method: "POST" })).status).toBe(200);
  expect(await counted()).toBe(5);

  await jobs.pollImageJob({ jobId }, user.credential);
  await jobs.listModels({}, user.credential);
  await fetch(`${url}/v1/other`, { headers, method: "POST" });
  await fetch(`${url}/api/get_image?message_id=${jobId}`, { headers });
  await fetch(`${url}/images`, { headers, method: "POST", body: await smallPicture() });
  expect(await jobs.getUsage({}, user.credential)).toMatchObject({
    days: [{ date: dateOf(Date.now()), requestCount: 5 }],
  });
});

test("a quota counts the chat by whatever an upstream may take for its path", async () => {
  const upstream = await openUpstream();
  onTestFinished(() => upstream.close());
  const env = { DARKROOM_DAILY_REQUESTS: "3", RELAY_UPSTREAM_URL: upstream.url };
  const server = await serve(env, { worker: false });
  const { token } = await signIn(server);
  const headers = { authorization: `Bearer ${token}` };
  const paths = ["/v1/chat/", "/v1/CHAT", "/v1/chat", "/v1//chat", "/v1/%63hat", "/v1/chat/"];
  const statuses: number[] = [];
  for (const path of paths) statuses.push((await fetch(server.url + path, { headers, method: "POST" })).status);
  // The upstream knows none of them.
  expect(statuses).toEqual([404, 404, 404, 429, 429, 429]);
  expect(upstream.received.map(({ url }) => url)).toEqual(paths.slice(0, 3));
});

test("calls that may not be made, and those of clients, are not counted", async () => {
  const server = await serve({ DARKROOM_DAILY_REQUESTS: "1" }, { worker: false });
  const { credential: admin } = await signInAdmin(server);
  const scopes = ["jobs:submit", "admin"];
  const { apiKey } = await server.auth.createClient({ client: { name: "a", scopes } }, admin);
  for (let index = 0; index < 3; index++) {
    expect(await refusal(server.jobs.submitImageJob({}, bearer(apiKey)))).toMatchObject({ code: "InvalidArgument" });
    expect(await refusal(server.jobs.submitImageJob({}))).toMatchObject({ code: "Unauthenticated" });
  }
  expect(await refusal(server.jobs.getUsage({}, bearer(apiKey)))).toMatchObject({ fields: ["user_id"] });
  const user = await signIn(server);
  const userId = user.account?.id ?? "";
  expect((await server.jobs.getUsage({ userId }, bearer(apiKey))).days).toEqual([]);
});

test("one's own usage is told, and anybody's to administrators", async () => {
  const server = await serve({ DARKROOM_DAILY_REQUESTS: "7" }, { worker: false });
  const { jobs, auth } = server;
  const [user, other, admin] = [await signIn(server), await signIn(server), (await signInAdmin(server)).credential];
  const userId = user.account?.id ?? "";
  await refusal(jobs.submitImageJob({}, user.credential));
  const days = [{ date: dateOf(Date.now()), requestCount: 1 }];
  for (const call of [
    jobs.getUsage({}, user.credential),
    jobs.getUsage({ userId }, user.credential),
    jobs.getUsage({ userId }, admin),
  ])
    expect(await call).toMatchObject({ days, dailyLimit: 7 });
  expect(await jobs.getUsage({}, other.credential)).toMatchObject({ days: [], dailyLimit: 7 });
  for (const wanted of [userId, crypto.randomUUID(), "nonsense"])
    expect(await refusal(jobs.getUsage({ userId: wanted }, other.credential))).toMatchObject({
      code: "PermissionDenied",
      reason: "NOT_ALLOWED",
    });
  expect(await refusal(jobs.getUsage({ userId: crypto.randomUUID() }, admin))).toMatchObject({
    reason: "USER_NOT_FOUND",
  });
  for (const days of [1, 90]) expect((await jobs.getUsage({ days }, user.credential)).days).toHaveLength(1);
  for (const days of [-1, 91, 2 ** 31 - 1])
    expect(await refusal(jobs.getUsage({ days }, user.credential))).toMatchObject({ fields: ["days"] });
  await auth.deleteUser({ userId }, admin);
  expect(await refusal(jobs.getUsage({ userId }, admin))).toMatchObject({ reason: "USER_NOT_FOUND" });
});

test("a quota lets exactly its number through, on two servers and over HTTP/2 as well", async () => {
  const env = { DARKROOM_DAILY_REQUESTS: "20" };
  const here = await serve(env, { worker: false });
  const there = await serve(env, { worker: false, dataDir: here.dataDir });
  const user = await signIn(here);
  const services = [here, there].flatMap(({ url, jobs }) => [
    jobs,
    createClient(ImageJobService, createGrpcTransport({ baseUrl: url })),
  ]);
  const answers = await atOnce(60, (index) =>
    refusal(services[index % 4]?.submitImageJob({}, user.credential) ?? Promise.resolve()),
  );
  const reasons = Map.groupBy(answers, ({ reason }) => reason);
  expect(reasons.get("INVALID_FIELD")).toHaveLength(20);
  expect(reasons.get("DAILY_QUOTA")).toHaveLength(40);
  const { days } = await there.jobs.getUsage({}, user.credential);
  expect(days).toMatchObject([{ requestCount: 20 }]);
});

test("a used-up quota is told in each API's own way, until midnight", async () => {
  const env = { DARKROOM_DAILY_REQUESTS: "2", RELAY_UPSTREAM_URL: await upstreamUrl() };
  const clock = movableClock(Date.UTC(2026, 1, 3, 23, 55, 0, 1));
  const server = await serve(env, { worker: false, clock });
  const { jobs, url } = server;
  const user = await signIn(server);
  const headers = { authorization: `Bearer ${user.token}` };
  const send = () => fetch(`${url}/api/send_message`, { headers });
  const chat = () => fetch(`${url}/v1/chat`, { headers, method: "POST" });
  // Not a part of a second less: whoever comes back then is let through.
  const left = (seconds: unknown) => expect(Number(seconds)).toBe(300);
  expect((await send()).status).toBe(400);
  expect((await chat()).status).toBe(200);

  const error = await jobs.submitImageJob({}, user.credential).catch((error: unknown) => error);
  if (!(error instanceof ConnectError)) throw error;
  expect(error.code).toBe(Code.ResourceExhausted);
  left(error.findDetails(RetryInfoSchema)[0]?.retryDelay?.seconds);
  left(error.metadata.get("retry-after"));
  const fromPocketBase = await send();
  left(fromPocketBase.headers.get("retry-after"));
  expect([fromPocketBase.status, await fromPocketBase.json()]).toMatchObject([429, { code: 429, data: {} }]);
  const fromRelay = await chat();
  left(fromRelay.headers.get("retry-after"));
  expect([fromRelay.status, await fromRelay.json()]).toMatchObject([429, { reason: "DAILY_QUOTA" }]);

  clock.advance(5 * minute);
  expect((await chat()).status).toBe(200);
  const today = dateOf(clock());
  const yesterday = dateOf(clock() - day);
  expect((await jobs.getUsage({}, user.credential)).days).toMatchObject([
    { date: today, requestCount: 1 },
    { date: yesterday, requestCount: 2 },
  ]);
  expect((await jobs.getUsage({ days: 1 }, user.credential)).days).toMatchObject([{ date: today }]);
});

test("what was counted survives a stop, on whose day it was", async () => {
  const clock = before(5);
  const server = await serve({}, { worker: false, clock });
  const user = await signIn(server);
  await refusal(server.jobs.submitImageJob({}, user.credential));
  clock.advance(5 * minute);
  await refusal(server.jobs.submitImageJob({}, user.credential));
  await server.app.stop();
  const again = await serve({}, { worker: false, clock, dataDir: server.dataDir });
  const { days } = await again.jobs.getUsage({}, user.credential);
  expect(days.map(({ requestCount }) => requestCount)).toEqual([1, 1]);
});

test.each(["0", "-1", "1000001", "many", "1.5"])("a quota of %s is refused at the start", (number) => {
  const env = (value: string) => ({ DARKROOM_DAILY_REQUESTS: value });
  expect(() => readServerConfig(env(number))).toThrow(/^DARKROOM_DAILY_REQUESTS: must be a whole number from 1 to/);
  for (const good of [1, 1_000_000]) expect(readServerConfig(env(String(good))).dailyRequests).toBe(good);
  expect(readServerConfig({}).dailyRequests).toBeUndefined();
});
