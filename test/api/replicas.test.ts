import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test, vi } from "vitest";
import { bearer, State } from "../../src/client/index.ts";
import { movableClock, runningClock } from "../contracts/movable-clock.ts";
import { smallPicture } from "../support/pictures.ts";
import { refusal } from "../support/refusals.ts";
import { serve, signIn, signInAdmin, submitJob } from "../support/server.ts";

/** Two servers on the same data. */
async function serveTwice() {
  const here = await serve({}, { worker: false });
  const there = await serve({}, { worker: false, dataDir: here.dataDir });
  const { credential: admin } = await signInAdmin(here);
  return { here, there, admin };
}

test("what one server ends, another that knows it well soon refuses", async () => {
  const { here, there, admin } = await serveTwice();
  const user = await signIn(here);
  const { client, apiKey } = await here.auth.createClient({ client: { name: "a", scopes: ["auth:check"] } }, admin);
  const { accessToken } = await there.auth.exchangeApiKey({ apiKey });
  const credentials = [user.credential, bearer(apiKey), bearer(accessToken)];
  for (const credential of credentials) await there.auth.checkAuth({}, credential);

  await here.auth.logout({}, user.credential);
  await here.auth.deleteClient({ clientId: client?.id ?? "" }, admin);
  for (const credential of credentials) {
    expect(await refusal(here.auth.checkAuth({}, credential))).toMatchObject({ code: "Unauthenticated" });
    const isRefused = () =>
      there.auth.checkAuth({}, credential).then(
        () => false,
        () => true,
      );
    await vi.waitUntil(isRefused, { timeout: 10_000 });
    expect(await refusal(there.auth.checkAuth({}, credential))).toMatchObject({ code: "Unauthenticated" });
  }
});

test("tokens and keys of one server are good at the other at once", async () => {
  const { here, there, admin } = await serveTwice();
  const user = await signIn(here);
  await there.auth.checkAuth({}, user.credential);
  const { apiKey } = await there.auth.createClient({ client: { name: "a", scopes: ["auth:check"] } }, admin);
  await here.auth.checkAuth({}, bearer(apiKey));
  const { tokens } = await there.auth.refreshToken({ refreshToken: user.refreshToken });
  await here.auth.checkAuth({}, bearer(tokens?.accessToken ?? ""));
});

test("a job that is submitted at one server is polled, watched and cancelled at another", async () => {
  const { here, there } = await serveTwice();
  const { credential } = await signIn(here);
  const { jobId } = await submitJob(here, credential);
  expect((await there.jobs.pollImageJob({ jobId }, credential)).job).toMatchObject({ state: State.QUEUED });
  const polled = there.jobs.pollImageJob({ jobId, wait: { seconds: 60n } }, credential);
  const states: State[] = [];
  const watched = (async () => {
    for await (const { job } of there.jobs.watchImageJob({ jobId }, credential))
      states.push(job?.state ?? State.UNSPECIFIED);
  })();
  await vi.waitUntil(() => states.length > 0, { timeout: 10_000 });
  await here.jobs.cancelImageJob({ jobId }, credential);
  await watched;
  // That it was sent is a version of its own, which may come before the watch begins, or after.
  expect([...new Set(states)]).toEqual([State.QUEUED, State.CANCELLED]);
  expect((await polled).job).toMatchObject({ state: State.CANCELLED });
  const { jobs } = await there.jobs.listImageJobs({}, credential);
  expect(jobs.map(({ id, state }) => [id, state])).toEqual([[jobId, State.CANCELLED]]);
});

test("a deleted client's job ends, although a server took it that had not heard of that", async () => {
  const clock = runningClock();
  const here = await serve({}, { worker: false, clock });
  // Its time stands still, so it goes on knowing whom it knows.
  const there = await serve({}, { worker: false, clock: movableClock(clock()), dataDir: here.dataDir });
  const { credential: admin } = await signInAdmin(here);
  const wanted = { name: "a", scopes: ["images:write", "jobs:submit"] };
  const { client, apiKey } = await here.auth.createClient({ client: wanted }, admin);
  const { image } = await there.jobs.uploadImage({ data: await smallPicture() }, bearer(apiKey));
  await here.auth.deleteClient({ clientId: client?.id ?? "" }, admin);
  const { job } = await there.jobs.submitImageJob({ imageId: image?.id ?? "", prompt: "sepia" }, bearer(apiKey));
  const db = new DatabaseSync(join(here.dataDir, "darkroom.db"), { readOnly: true });
  onTestFinished(() => db.close());
  const stateOf = (id = "") => db.prepare("SELECT state FROM jobs WHERE id = ?").get(id)?.state;
  expect(stateOf(job?.id)).toBe("QUEUED");
  clock.advance(2 * 60_000);
  await vi.waitFor(() => expect(stateOf(job?.id)).toBe("CANCELLED"), 20_000);
});
