import { afterEach, expect, test, vi } from "vitest";
import { ImageJobs } from "../../src/core/jobs/image-jobs.ts";
import { refusal } from "../support/refusals.ts";
import { signIn } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const server = await shareServer({}, { worker: false });
const { auth, jobs } = server;

afterEach(() => vi.restoreAllMocks());

/** Holds the lists of jobs that are being made, and counts those that have begun. */
function holdLists() {
  const gate = Promise.withResolvers<void>();
  const real = ImageJobs.prototype.list;
  const begun = vi.spyOn(ImageJobs.prototype, "list").mockImplementation(async function (this: ImageJobs, ...args) {
    await gate.promise;
    return real.apply(this, args);
  });
  const begin = (count: number) => vi.waitUntil(() => begun.mock.calls.length === count, { timeout: 10_000 });
  return { begun, begin, release: gate.resolve };
}

test("one caller's lists are made one after the other, another's beside them", async () => {
  const [one, other] = [await signIn(server), await signIn(server)];
  const { begun, begin, release } = holdLists();
  const lists = Array.from({ length: 5 }, () => jobs.listImageJobs({}, one.credential));
  await begin(1);
  // They came by the same connection, and in this order.
  await auth.checkAuth({}, one.credential);
  const others = jobs.listImageJobs({}, other.credential);
  await begin(2);
  expect(new Set(begun.mock.calls.map(([ownerId]) => ownerId))).toEqual(new Set([one.account?.id, other.account?.id]));
  release();
  await Promise.all([...lists, others]);
  expect(begun).toHaveBeenCalledTimes(6);
});

test("a list is not made for a session that ended while it waited", async () => {
  const user = await signIn(server);
  const { begun, begin, release } = holdLists();
  const first = jobs.listImageJobs({}, user.credential);
  await begin(1);
  const second = refusal(jobs.listImageJobs({}, user.credential));
  await auth.logout({}, user.credential);
  release();
  await first;
  expect(await second).toMatchObject({ code: "Unauthenticated", reason: "SESSION_ENDED" });
  expect(begun).toHaveBeenCalledTimes(1);
});

test("a list is not made for a caller who left while it waited", async () => {
  const { credential } = await signIn(server);
  const { begun, begin, release } = holdLists();
  const first = jobs.listImageJobs({}, credential);
  await begin(1);
  const leaving = new AbortController();
  const second = refusal(jobs.listImageJobs({}, { ...credential, signal: leaving.signal }));
  const third = jobs.listImageJobs({}, credential);
  await auth.checkAuth({}, credential);
  leaving.abort();
  expect(await second).toMatchObject({ code: "Canceled" });
  await auth.checkAuth({}, credential);
  release();
  await Promise.all([first, third]);
  expect(begun).toHaveBeenCalledTimes(2);
});
