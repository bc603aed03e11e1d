import { expect, test, vi } from "vitest";
import { HeldAnswers } from "../../src/http/overload/held-answers.ts";
import type { HttpResponse } from "../../src/http/server/http-messages.ts";

const KiB = 1024;

function answer(address: string, writableLength: number, { ended = false } = {}) {
  const cut = vi.fn();
  const response = { writableEnded: ended, writableLength, req: { socket: { destroy: cut } } } as unknown;
  return { response: response as HttpResponse, address, isCut: () => cut.mock.calls.length > 0 };
}

test("a stream counts by what nobody takes of it, and not by its next pieces", () => {
  const held = new HeldAnswers(1024 * KiB);
  const taken = Array.from({ length: 20 }, () => answer("192.0.2.1", 128 * KiB));
  const [whole, stream] = [answer("192.0.2.2", 600 * KiB, { ended: true }), answer("192.0.2.2", 600 * KiB)];
  held.look([...taken, whole], 0);
  expect(whole.isCut()).toBe(false);
  held.look([...taken, whole, stream], 0);
  expect([...taken, whole, stream].map(({ isCut }) => isCut())).toEqual([...taken.map(() => false), false, true]);
});

test("those who hold most are cut, to what each may hold, and no more of them than are too many", () => {
  const held = new HeldAnswers(1000 * KiB);
  const few = Array.from({ length: 4 }, (_, index) => answer(`192.0.2.${index}`, 50 * KiB, { ended: true }));
  const many = Array.from({ length: 100 }, () => answer("198.51.100.1", 100 * KiB, { ended: true }));
  const large = Array.from({ length: 20 }, (_, index) => answer(`203.0.113.${index}`, 300 * KiB, { ended: true }));
  const isLeft = (answers: readonly { isCut(): boolean }[]) => answers.filter(({ isCut }) => !isCut()).length;
  held.look([...few, ...many, ...large], 0);
  expect(isLeft(few)).toBe(4);
  // 38 KiB are left for each of the other 21, who can keep none, until what is left fits.
  expect(isLeft(many)).toBe(0);
  expect(isLeft(large)).toBe(2);
});
