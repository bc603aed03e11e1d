import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { describe, expect, test, vi } from "vitest";
import { filesystemBlobStore } from "../../src/adapters/filesystem/blob-store.ts";
import { StoreUnavailable } from "../../src/ports/store-errors.ts";
import { blobStoreContract } from "../contracts/blob-store.ts";
import { scratchDirectory } from "../support/scratch.ts";

blobStoreContract("files", async () => {
  const directory = scratchDirectory();
  return { store: filesystemBlobStore(directory), another: async () => filesystemBlobStore(directory) };
});

describe("blobs in files", () => {
  async function* text(content: string): AsyncGenerator<Uint8Array> {
    yield Buffer.from(content);
  }

  function filesIn(directory: string): string[] {
    const all = readdirSync(directory, { recursive: true, encoding: "utf8" });
    return all.filter((path) => statSync(join(directory, path)).isFile()).sort();
  }

  test("lie in folders named after their first two characters", async () => {
    const directory = scratchDirectory();
    const store = filesystemBlobStore(directory);
    for (const id of ["a1-first", "A1-second", "_-third", "x"]) await store.write(id, text(id));
    expect(filesIn(directory)).toEqual(["_-/_-third", "a1/A1-second", "a1/a1-first", "x/x"]);
  });

  test("make their folder when there is none yet", async () => {
    const store = filesystemBlobStore(join(scratchDirectory(), "not", "yet"));
    expect(await store.read("blob")).toBeUndefined();
    await store.delete("blob");
    await store.write("blob", text("bytes"));
    expect((await buffer((await store.read("blob")) ?? text("missing"))).toString()).toBe("bytes");
  });

  test("leave no file behind, of a failed write or of a deleted blob", async () => {
    const directory = scratchDirectory();
    const store = filesystemBlobStore(directory);
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("half");
      expect(filesIn(directory)).toHaveLength(1);
      throw new Error("the source failed");
    }
    await expect(store.write("blob", failing())).rejects.toThrow("the source failed");
    expect(filesIn(directory)).toEqual([]);
    await store.write("blob", text("whole"));
    await store.delete("blob");
    expect(filesIn(directory)).toEqual([]);
  });

  test("leave no file behind where the disk has no room after all, or its owner none of it", async () => {
    const directory = scratchDirectory();
    const faults: Error[] = [];
    const store = filesystemBlobStore(directory, (fault) => faults.push(fault));
    await using file = await open(join(directory, "any"), "w");
    const sync = vi.spyOn(Object.getPrototypeOf(file), "datasync");
    await rm(join(directory, "any"));
    for (const code of ["ENOSPC", "EDQUOT"]) {
      const full = Object.assign(new Error(code), { code });
      sync.mockRejectedValueOnce(full);
      await expect(store.write("blob", text("bytes"))).rejects.toBeInstanceOf(StoreUnavailable);
      expect(faults.pop()).toBe(full);
      expect(filesIn(directory)).toEqual([]);
    }
    sync.mockRestore();
  });

  test("are held by pieces alone when many readers do not go on", async () => {
    const store = filesystemBlobStore(scratchDirectory());
    await store.write("blob", text("b".repeat(1024 * 1024)));
    const begin = async () => {
      const reader = (await store.read("blob"))?.[Symbol.asyncIterator]();
      const first: Uint8Array = (await reader?.next())?.value;
      return { reader, held: first.buffer.byteLength };
    };
    const many = await Promise.all(Array.from({ length: 200 }, begin));
    const held = many.reduce((sum, each) => sum + each.held, 0);
    expect(held / many.length).toBeLessThan(256 * 1024);
    await Promise.all(many.map(({ reader }) => reader?.return?.()));
    expect((await begin()).held).toBeGreaterThan(256 * 1024);
  });

  test("are not seen, and are deleted, when a process died while it wrote them", async () => {
    const directory = scratchDirectory();
    const store = filesystemBlobStore(directory);
    const started = Promise.withResolvers<void>();
    const death = Promise.withResolvers<void>();
    async function* hanging(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("half");
      started.resolve();
      await death.promise;
    }
    const dying = store.write("blob", hanging());
    await started.promise;
    const next = filesystemBlobStore(directory);
    expect(filesIn(directory)).toHaveLength(1);
    expect(await next.read("blob")).toBeUndefined();
    await next.delete("blob");
    expect(filesIn(directory)).toEqual([]);
    death.reject(new Error("died"));
    await expect(dying).rejects.toThrow("died");
  });

  test.skipIf(!existsSync("/dev/full"))("are refused by a full disk as what may do better later", async () => {
    const directory = scratchDirectory();
    const faults: Error[] = [];
    const store = filesystemBlobStore(directory, (fault) => faults.push(fault));
    mkdirSync(join(directory, "bl"));
    symlinkSync("/dev/full", join(directory, "bl", "blob.partial"));
    await expect(store.write("blob", text("bytes"))).rejects.toBeInstanceOf(StoreUnavailable);
    expect(faults).toMatchObject([{ code: "ENOSPC" }]);
    expect(await store.read("blob")).toBeUndefined();
  });

  test("stop their source when they cannot be written", async () => {
    const directory = scratchDirectory();
    const store = filesystemBlobStore(directory);
    await store.write("ab", text("in the way"));
    const blocked = filesystemBlobStore(join(directory, "ab", "ab"));
    await expect(blocked.write("blob", text("bytes"))).rejects.toThrow(/ENOTDIR/);
    await expect(blocked.read("blob")).rejects.toThrow(/ENOTDIR/);
  });
});
