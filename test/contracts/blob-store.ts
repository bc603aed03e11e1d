import { randomBytes } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import type { BlobStore } from "../../src/ports/blob-store.ts";
import type { Opened } from "./opened.ts";

const pieceMax = 64 * 1024;

export function blobStoreContract(name: string, open: () => Promise<Opened<BlobStore>>): void {
  describe(`the blob store: ${name}`, () => {
    test.each([0, 1, pieceMax - 1, pieceMax, pieceMax + 1, 3 * pieceMax + 7])("keeps %i bytes", async (length) => {
      const { store, another } = await open();
      const bytes = randomBytes(length);
      await store.write("blob", chunks(bytes, 50_000));
      expect(await whole(store, "blob")).toEqual(bytes);
      expect(await whole(await another(), "blob")).toEqual(bytes);
    });

    test("joins what comes in pieces, big, small and empty", async () => {
      const { store } = await open();
      const bytes = randomBytes(300_000);
      const cuts = [0, 0, 1, 2, 200_000, 200_000, 200_003, 300_000];
      const pieces = cuts.map((cut, index) => bytes.subarray(cuts[index - 1] ?? 0, cut));
      await store.write("blob", from(pieces));
      expect(await whole(store, "blob")).toEqual(bytes);
    });

    test("reads in pieces of at most 64 KiB", async () => {
      const { store } = await open();
      await store.write("blob", from([randomBytes(500_000)]));
      for await (const piece of (await store.read("blob")) ?? [])
        expect(piece.byteLength).toBeLessThanOrEqual(pieceMax);
    });

    test("reads nothing for what is not there", async () => {
      const { store } = await open();
      expect(await store.read("missing")).toBeUndefined();
      await store.write("abcd", from([randomBytes(10)]));
      for (const id of ["ABCD", "abc", "ab", "abcd-"]) expect(await store.read(id)).toBeUndefined();
    });

    test("takes every id there can be", async () => {
      const { store } = await open();
      const ids = ["a", "-", "_", "ab", "aB", "AB", "Ab", "--", "__", "0".repeat(64), "_-".repeat(32)];
      for (const id of ids) await store.write(id, from([Buffer.from(id)]));
      for (const id of ids) expect((await whole(store, id)).toString()).toBe(id);
    });

    test("leaves nothing when its source fails, at any point, and rejects with what it threw", async () => {
      const { store, another } = await open();
      for (const before of [0, 1, 5]) {
        const failure = new Error(`after ${before}`);
        await expect(store.write("blob", failing(before, failure))).rejects.toBe(failure);
        expect(await store.read("blob")).toBeUndefined();
        expect(await (await another()).read("blob")).toBeUndefined();
      }
      await store.write("blob", from([Buffer.from("whole")]));
      expect((await whole(store, "blob")).toString()).toBe("whole");
    });

    test("shows no blob before it is whole", async () => {
      const { store, another } = await open();
      const other = await another();
      const seen: unknown[] = [];
      async function* watched(): AsyncGenerator<Uint8Array> {
        for (let piece = 0; piece < 4; piece += 1) {
          yield randomBytes(pieceMax);
          seen.push(await store.read("blob"), await other.read("blob"));
        }
      }
      await store.write("blob", watched());
      expect(seen).toEqual(Array.from({ length: 8 }, () => undefined));
      expect(await whole(other, "blob")).toHaveLength(4 * pieceMax);
    });

    test("deletes one blob, and minds not when there is none", async () => {
      const { store } = await open();
      await store.write("gone", from([randomBytes(10)]));
      await store.write("kept", from([randomBytes(10)]));
      await store.delete("gone");
      await store.delete("gone");
      await store.delete("never");
      expect(await store.read("gone")).toBeUndefined();
      expect(await whole(store, "kept")).toHaveLength(10);
    });

    test("lets a reader stop halfway, and read it again", async () => {
      const { store } = await open();
      const bytes = randomBytes(300_000);
      await store.write("blob", from([bytes]));
      for await (const piece of (await store.read("blob")) ?? []) {
        expect(bytes.subarray(0, piece.byteLength)).toEqual(Buffer.from(piece));
        break;
      }
      expect(await whole(store, "blob")).toEqual(bytes);
    });

    test("keeps many that are written and read at once apart", async () => {
      const { store } = await open();
      const blobs = new Map(Array.from({ length: 20 }, (_, index) => [`blob-${index}`, randomBytes(1000 * index)]));
      await Promise.all([...blobs].map(([id, bytes]) => store.write(id, chunks(bytes, 700))));
      await Promise.all([...blobs].map(async ([id, bytes]) => expect(await whole(store, id)).toEqual(bytes)));
    });
  });
}

async function whole(store: BlobStore, id: string): Promise<Buffer> {
  const bytes = await store.read(id);
  if (bytes === undefined) throw new Error(`${id} is not there`);
  return buffer(bytes);
}

async function* from(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

async function* failing(pieces: number, failure: Error): AsyncGenerator<Uint8Array> {
  for (let piece = 0; piece < pieces; piece += 1) yield randomBytes(pieceMax);
  throw failure;
}
