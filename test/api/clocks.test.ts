import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterAll, expect, test, vi } from "vitest";
import { bearer, type Darkroom, State } from "../../src/client/index.ts";
import { publishAheadMs } from "../../src/model/signing-key.ts";
import { runningClock } from "../contracts/movable-clock.ts";
import { describeOnMongodb } from "../support/mongodb.ts";
import { smallPicture } from "../support/pictures.ts";
import { refusal } from "../support/refusals.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { type Settings, serve, signIn, signInAdmin, unlimited } from "../support/server.ts";
import { openWorkerQueues } from "../support/worker-queues.ts";

const apartMs = 20_000;
const hour = 60 * 60_000;
const few = "darkroom.auth.v1.AuthService/RequestPasswordReset=20/60";

/** Two servers on the same data whose clocks are apart. */
async function opened(database: Settings = {}, dataDir = scratchDirectory()) {
  const env = {
    DARKROOM_RATE_LIMITS: `${unlimited("SignUp", "Login")},${few}`,
    SMTP_URL: "smtp://127.0.0.1:9",
    MAIL_FROM: "darkroom@example.com",
    ...database,
  };
  const clocks = { ahead: runningClock(apartMs), behind: runningClock() };
  const ahead = await serve(env, { worker: false, clock: clocks.ahead, dataDir });
  const behind = await serve(env, { worker: false, clock: clocks.behind, dataDir });
  return { clocks, ahead, behind };
}

const accepts = async ({ auth }: Darkroom, credential: string) => (await auth.validate({ credential })).valid;

test.each(["ahead", "behind"] as const)(
  "what a server gives whose clock is %s is good at the other at once",
  async (which) => {
    const { ahead, behind } = await opened();
    const [one, other] = which === "ahead" ? [ahead, behind] : [behind, ahead];
    const user = await signIn(one);
    const identity = { identity: user.username, password: user.password };
    const { sessionToken } = await one.auth.login({ ...identity, sessionToken: true });
    const { credential: admin } = await signInAdmin(one);
    const { apiKey } = await one.auth.createClient({ client: { name: "a", scopes: ["auth:check"] } }, admin);
    const { accessToken } = await one.auth.exchangeApiKey({ apiKey });
    for (const credential of [user.token, sessionToken, apiKey, accessToken])
      expect(await accepts(other, credential)).toBe(true);

    const { image } = await one.jobs.uploadImage({ data: await smallPicture() }, user.credential);
    await other.jobs.submitImageJob({ imageId: image?.id ?? "", prompt: "sepia" }, user.credential);
    const here = await one.auth.refreshToken({ refreshToken: user.refreshToken });
    const there = await other.auth.refreshToken({ refreshToken: user.refreshToken });
    expect(there.tokens?.refreshToken).toBe(here.tokens?.refreshToken);
    expect(await accepts(one, there.tokens?.accessToken ?? "")).toBe(true);

    const { token } = await one.auth.issueUserToken({ userId: user.account?.id ?? "" }, admin);
    await other.auth.resetPassword({ token, newPassword: "a good new one" });
  },
);

test("a key that one server rotates to is taken by the other, whoever is ahead", async () => {
  const { clocks, ahead, behind } = await opened();
  for (const [one, other] of [
    [ahead, behind],
    [behind, ahead],
  ] as const) {
    const before = await signIn(other);
    await one.auth.rotateSigningKey({}, (await signInAdmin(one)).credential);
    for (const clock of Object.values(clocks)) clock.advance(publishAheadMs - apartMs / 2);
    // Now one of them signs by the new key and the other by the old one.
    const tokens = [before.token, (await signIn(one)).token, (await signIn(other)).token];
    for (const token of tokens) for (const server of [one, other]) expect(await accepts(server, token)).toBe(true);
  }
});

test("a mistyped password delays nobody at the other server, and guesses are counted together", async () => {
  const { ahead, behind } = await opened();
  const user = await signIn(ahead);
  const identity = user.username;
  const wrong = ({ auth }: Darkroom) => refusal(auth.login({ identity, password: "not the password" }));
  expect(await wrong(ahead)).toMatchObject({ reason: "LOGIN_FAILED" });
  await behind.auth.login({ identity, password: user.password });
  for (const server of [ahead, behind, ahead, behind, ahead])
    expect(await wrong(server)).toMatchObject({ reason: "LOGIN_FAILED" });
  for (const server of [behind, ahead]) {
    const { reason, metadata } = await wrong(server);
    if (server === behind) expect(reason).toBe("TOO_MANY_ATTEMPTS");
    if (reason === "TOO_MANY_ATTEMPTS") expect(Number(metadata.get("retry-after"))).toBeLessThanOrEqual(2);
  }
});

test("a limit holds on both together", async () => {
  const { ahead, behind } = await opened();
  const isOver = ({ auth }: Darkroom) =>
    auth.requestPasswordReset({ email: "nobody@example.com" }).then(
      () => false,
      async (error) => (await refusal(Promise.reject(error))).reason === "RATE_LIMITED",
    );
  let passed = 0;
  for (let index = 0; index < 60; index++) if (!(await isOver(index < 2 ? ahead : behind))) passed += 1;
  expect(passed).toBeGreaterThanOrEqual(20);
  expect(passed).toBeLessThanOrEqual(22);
});

test("a clock that is set back or forward an hour ends no session", async () => {
  const { clocks, behind } = await opened();
  const user = await signIn(behind);
  let { refreshToken } = user;
  for (const move of [-hour, hour, hour, -hour]) {
    clocks.behind.advance(move);
    const { tokens } = await behind.auth.refreshToken({ refreshToken });
    refreshToken = tokens?.refreshToken ?? "";
    expect(await accepts(behind, tokens?.accessToken ?? "")).toBe(true);
  }
  const identity = { identity: user.username, password: user.password };
  await refusal(behind.auth.login({ ...identity, password: "not the password" }));
  clocks.behind.advance(-hour);
  await behind.auth.login(identity);
});

describeOnMongodb("on MongoDB", async ({ uri, newDatabase }) => {
  const dataDir = scratchDirectory(afterAll);
  const queues = await openWorkerQueues(dataDir);

  test("a worker keeps its job, whose server is behind the one that sweeps", async () => {
    const { ahead, behind, clocks } = await opened({ MONGODB_URI: uri, MONGODB_DATABASE: newDatabase() }, dataDir);
    const { credential } = await signIn(behind);
    const { image } = await behind.jobs.uploadImage({ data: await smallPicture() }, credential);
    const submit = async (deadlineMs: number) => {
      const deadline = timestampFromMs(clocks.behind() + deadlineMs);
      const wanted = { imageId: image?.id ?? "", prompt: "sepia", deadline };
      return (await behind.jobs.submitImageJob(wanted, credential)).job?.id ?? "";
    };
    const untilAheadSwept = async () => {
      const jobId = await submit(apartMs / 2);
      const state = async () => (await ahead.jobs.pollImageJob({ jobId }, credential)).job?.state;
      await vi.waitFor(async () => expect(await state()).toBe(State.EXPIRED), { timeout: 30_000 });
    };
    const jobId = await submit(hour);
    const { token, dispatch } = await queues.message(jobId);
    // Past the time for which the sweeper spares leases after its start, in steps that it does not take for a pause.
    for (let step = 0; step < 5; step += 1) {
      for (const clock of Object.values(clocks)) clock.advance(apartMs / 5);
      await untilAheadSwept();
    }
    const { jobToken } = await behind.worker.claimJob({ dispatch }, bearer(token));
    for (let beats = 0; beats < 3; beats += 1) {
      await untilAheadSwept();
      await behind.worker.heartbeat({}, bearer(jobToken));
    }
    const { job } = await ahead.jobs.pollImageJob({ jobId }, credential);
    expect(job).toMatchObject({ state: State.RUNNING, attempt: 1 });
  });
});
