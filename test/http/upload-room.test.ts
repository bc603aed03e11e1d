import type { IncomingMessage } from "node:http";
import { ServerResponse } from "node:http";
import { expect, test, vi } from "vitest";
import { UploadRoom } from "../../src/http/overload/upload-room.ts";
import type { Call } from "../../src/model/call.ts";
import { uploadsFull } from "../../src/model/overload.ts";

const MiB = 1024 * 1024;
const [first, second, third] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];

/** A room for 16 MiB, whose uploads announce their length. */
function openRoom() {
  const room = new UploadRoom(16 * MiB, (refusal) => {
    throw refusal;
  });
  return (address: string, mebibytes: number, { complete = false } = {}) => {
    const cut = vi.fn();
    const headers = { "content-length": String(mebibytes * MiB) };
    const request = { method: "POST", headers, complete, socket: { destroy: cut } } as unknown as IncomingMessage;
    room.roomFor({ address } as Call, request, new ServerResponse(request)).take();
    return { isCut: () => cut.mock.calls.length > 0 };
  };
}

test("the newest uploads of the address that holds most give way", () => {
  const upload = openRoom();
  const others = [upload(second, 2), upload(second, 2)];
  const many = [4, 4, 2, 2].map((size) => upload(first, size));
  upload(third, 3);
  expect(many.map(({ isCut }) => isCut())).toEqual([false, false, true, true]);
  upload(third, 4);
  expect([...many, ...others].map(({ isCut }) => isCut())).toEqual([false, true, true, true, false, false]);
});

test("none gives way where that would not be enough, nor one that has come whole", () => {
  const upload = openRoom();
  const slow = [upload(first, 8), upload(first, 2)];
  const whole = [upload(first, 3, { complete: true }), upload(first, 3, { complete: true })];
  expect(() => upload(second, 16)).toThrow(uploadsFull);
  expect(slow.map(({ isCut }) => isCut())).toEqual([false, false]);
  upload(second, 2);
  expect([...slow, ...whole].map(({ isCut }) => isCut())).toEqual([false, true, false, false]);
});

test("none of an address gives way that holds no more than its share", () => {
  const upload = openRoom();
  const all = [first, second, third, "192.0.2.4"].flatMap((address) => [upload(address, 2), upload(address, 2)]);
  expect(() => upload("192.0.2.5", 1)).toThrow(uploadsFull);
  expect(all.filter(({ isCut }) => isCut())).toEqual([]);
});
