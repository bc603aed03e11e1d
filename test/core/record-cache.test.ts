import { describe, expect, test, vi } from "vitest";
import { sqliteAccountStore } from "../../src/adapters/sqlite/account-store.ts";
import { sqliteClientStore } from "../../src/adapters/sqlite/client-store.ts";
import { sqliteSessionStore } from "../../src/adapters/sqlite/session-store.ts";
import { cachedStores, forgettingSessions } from "../../src/core/admission/cached-stores.ts";
import { LastUse } from "../../src/core/admission/last-use.ts";
import { RecordCache } from "../../src/core/admission/record-cache.ts";
import type { Session } from "../../src/model/session.ts";
import type { SessionStore } from "../../src/ports/session-store.ts";
import { StoreUnavailable } from "../../src/ports/store-errors.ts";
import { openDatabase } from "../adapters/sqlite-harness.ts";
import { movableClock } from "../contracts/movable-clock.ts";
import { sampleSession } from "../contracts/samples.ts";
import { recordingLog } from "../support/log.ts";

const freshMs = 1500;

/** Reads that end when they are told to. */
function opened() {
  const clock = movableClock();
  const reads: { id: string; end(value: Session | undefined): void; fail(error: Error): void }[] = [];
  const read = (id: string) =>
    new Promise<Session | undefined>((end, fail) => {
      reads.push({ id, end, fail });
    });
  return { clock, reads, recent: new RecordCache(read, clock) };
}

describe("records of a moment ago", () => {
  test("are read once for all who ask at once", async () => {
    const { recent, reads } = opened();
    const asked = [recent.get("a"), recent.get("a"), recent.get("b")];
    expect(reads.map(({ id }) => id)).toEqual(["a", "b"]);
    const session = sampleSession();
    for (const { end } of reads) end(session);
    expect(await Promise.all(asked)).toEqual([session, session, session]);
  });

  test("live from the start of their read on, however long it took", async () => {
    const { recent, reads, clock } = opened();
    const slow = recent.get("a");
    clock.advance(freshMs - 1);
    reads[0]?.end(undefined);
    expect(await slow).toBeUndefined();
    expect(await recent.get("a")).toBeUndefined();
    expect(reads).toHaveLength(1);
    clock.advance(1);
    void recent.get("a");
    expect(reads).toHaveLength(2);
  });

  test("are not kept for longer by a clock that is set back", () => {
    const { recent, reads, clock } = opened();
    void recent.get("a");
    clock.advance(-1);
    void recent.get("a");
    expect(reads).toHaveLength(2);
  });

  test("are forgotten when their read fails: the next call asks again", async () => {
    const { recent, reads } = opened();
    const failed = recent.get("a");
    reads[0]?.fail(new Error("away"));
    await expect(failed).rejects.toThrow("away");
    void recent.get("a");
    expect(reads).toHaveLength(2);
  });

  test("are forgotten after a write, also one whose answer is lost, and a read that began before it", async () => {
    const { recent, reads } = opened();
    const early = recent.get("a");
    await recent.after("a", async () => {});
    reads[0]?.end(sampleSession());
    await early;
    void recent.get("a");
    expect(reads).toHaveLength(2);
    await expect(recent.after("a", () => Promise.reject(new Error("lost")))).rejects.toThrow("lost");
    void recent.get("a");
    expect(reads).toHaveLength(3);
  });
});

test("a store forgets each session that it ends", async () => {
  const forgotten: string[] = [];
  const recent = new RecordCache<Session>(async () => undefined, movableClock());
  recent.forget = (id) => void forgotten.push(id);
  const store = forgettingSessions(
    {
      replace: async () => true,
      delete: async () => {},
      deleteByAccount: async () => ["c", "d"],
    } as Partial<SessionStore> as SessionStore,
    recent,
  );
  await store.replace(sampleSession({ id: "a" }));
  await store.delete("b");
  await store.deleteByAccount("account");
  expect(forgotten).toEqual(["a", "b", "c", "d"]);
});

test("when something was last used is noted once a minute, and what hinders it is told", async () => {
  const clock = movableClock();
  const written: number[] = [];
  const told: unknown[] = [];
  const away = new StoreUnavailable();
  const touch = async (id: string, at: number) => {
    if (id === "b") throw away;
    written.push(at);
  };
  const use = new LastUse(touch, clock, (error) => void told.push(error));
  const start = clock();
  for (const ms of [0, 59_999, 1]) {
    clock.advance(ms);
    use.note("a", start - 60_000);
  }
  use.note("c", clock() - 59_999);
  use.note("b", 0);
  await vi.waitUntil(() => told.length > 0);
  expect(told).toEqual([away]);
  expect(written).toEqual([start, start + 60_000]);
});

test("the log is told once what hinders it, however many are used", async () => {
  const log = recordingLog();
  const { db } = await openDatabase();
  const touch = vi.fn(() => Promise.reject(new StoreUnavailable()));
  const sessions = { ...sqliteSessionStore(db), touch };
  const clients = { ...sqliteClientStore(db), touch };
  const { sessionUse, clientUse } = cachedStores(
    { accounts: sqliteAccountStore(db), sessions, clients },
    movableClock(),
    log,
  );
  for (const use of [sessionUse, clientUse]) for (const id of ["a", "b"]) use.note(id, 0);
  await Promise.allSettled(touch.mock.results.map(({ value }) => value));
  expect(touch).toHaveBeenCalledTimes(4);
  expect(log.lines.map(({ message }) => message)).toEqual(["when something was last used could not be written"]);
});
