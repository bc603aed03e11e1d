import { MongoNetworkError, MongoServerError, MongoWriteConcernError } from "mongodb";
import { expect, test } from "vitest";
import { CircuitBreaker } from "../../src/adapters/mongodb/circuit-breaker.ts";
import { refused, translated } from "../../src/adapters/mongodb/errors.ts";
import { DuplicateKey, StoreUnavailable } from "../../src/ports/store-errors.ts";
import { recordingLog } from "../support/log.ts";

const system = (code: string) => Object.assign(new Error(`write ${code}`), { code, syscall: "write" });
const server = (code: number) => new MongoServerError({ ok: 0, code, errmsg: "the server's words" });

test.each([
  ["a broken connection", new MongoNetworkError("connection closed")],
  ["a socket's own error", system("EPIPE")],
  ["a name that nobody knows now", system("EAI_AGAIN")],
  ["a stream that is gone", system("ERR_STREAM_DESTROYED")],
  ["a server that stops", server(11_600)],
  ["a server that is no longer the primary", server(10_107)],
  ["Cosmos DB's budget for this second", server(16_500)],
  ["a call that others' writes were in the way of", server(112)],
  ["a call that an operator ended", server(11_601)],
  ["a majority that is behind", server(134)],
  ["a credential that is no longer good", server(18)],
  ["a right that was taken away", server(13)],
  ["a disk that is full", server(14_031)],
  ["Atlas' quota", server(8000)],
  ["FerretDB's store, whatever it has", server(1)],
  ["a write that no majority has", new MongoWriteConcernError({ ok: 1, writeConcernError: { code: 64, errmsg: "" } })],
])("%s makes a store unavailable", (_, error) => {
  const unavailable = translated(error);
  expect(unavailable).toBeInstanceOf(StoreUnavailable);
  expect((unavailable as StoreUnavailable).cause).toBe(error);
});

test("a duplicate is known by its code alone", () => {
  expect(translated(new MongoServerError({ ok: 0, code: 11_000 }))).toBeInstanceOf(DuplicateKey);
});

test("a value that an update finds taken does not make FerretDB unavailable", () => {
  const errmsg = "constraint failed: UNIQUE constraint failed: index 'accounts_37968efd_recordId_1' (2067)";
  expect(translated(new MongoServerError({ ok: 0, code: 1, errmsg }))).not.toBeInstanceOf(StoreUnavailable);
});

test("what the server refuses is said in its words", () => {
  expect(translated(server(2))).toEqual(new Error("the database refused: the server's words"));
  // A start does not wait for an operator.
  expect(refused(server(18))).toEqual(new Error("the database refused: the server's words"));
});

test.each([new TypeError("a fault of ours"), system("ENOENT"), system("ERR_INVALID_ARG_TYPE"), "no error"])(
  "%s stays what it is",
  (error) => expect(translated(error)).toBe(error),
);

test("a call that others were in the way of does not mark the database as away", async () => {
  const log = recordingLog();
  const breaker = new CircuitBreaker(log);
  await expect(breaker.pass(() => Promise.reject(server(112)))).rejects.toThrow(StoreUnavailable);
  await breaker.pass(async () => {});
  expect(log.lines).toEqual([]);
});

test("a call that fails late, after the database came back, does not mark it as away", async () => {
  const log = recordingLog();
  const breaker = new CircuitBreaker(log);
  const late = Promise.withResolvers<never>();
  const away = new MongoNetworkError("connection closed");
  const before = breaker.pass(() => late.promise);
  await expect(breaker.pass(() => Promise.reject(away))).rejects.toThrow(StoreUnavailable);
  await breaker.pass(async () => {});
  late.reject(away);
  await expect(before).rejects.toThrow(StoreUnavailable);
  expect(log.lines.map(({ level }) => level)).toEqual(["error", "info"]);
});

test("a call counts as one that has no answer for as long as it has none, however it ends", async () => {
  const breaker = new CircuitBreaker(recordingLog());
  const [done, failed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const passes = [breaker.pass(() => done.promise), breaker.pass(() => failed.promise)];
  expect(breaker.passing).toBe(2);
  done.resolve();
  failed.reject(server(2));
  await Promise.allSettled(passes);
  expect(breaker.passing).toBe(0);
});
