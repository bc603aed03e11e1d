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
