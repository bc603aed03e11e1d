import { createReadStream } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pieceBytes, piecesOf } from "../../helpers/pieces.ts";
import type { BlobStore } from "../../ports/blob-store.ts";
import { StoreUnavailable } from "../../ports/store-errors.ts";

/** Bytes of one read: a read goes to another thread and back, which takes as long as reading some pieces. */
const blockBytes = 8 * pieceBytes;
/**
 * So many blobs are read by whole blocks at a time, further ones by pieces. Each holds two reads for as long as its reader
 * likes, who may be thousands.
 */
const readByBlocksMax = 64;

/** The disk is full, or its owner's share of it. */
const fullCodes = ["ENOSPC", "EDQUOT"];

/**
 * A file for each blob, in 256 folders by the id's first two characters, so that no folder grows long. `onDiskFault`
 * is called each time that the disk is full.
 */
export function filesystemBlobStore(directory: string, onDiskFault: (error: Error) => void = () => {}): BlobStore {
  const pathOf = (id: string) => join(directory, id.slice(0, 2).toLowerCase(), id);
  let reading = 0;

  /** Opens the file when the first piece is asked for, so that bytes nobody reads hold nothing open. */
  async function* pieces(path: string, size: number): AsyncGenerator<Uint8Array> {
    if (size === 0) return;
    reading += 1;
    try {
      const most = reading > readByBlocksMax ? pieceBytes : blockBytes;
      // Neither the buffer nor the read is larger than the file.
      const blocks = createReadStream(path, { highWaterMark: Math.min(most, size), end: size - 1 });
      for await (const block of blocks as AsyncIterable<Buffer>) yield* piecesOf(block);
    } finally {
      reading -= 1;
    }
  }

  return {
    async write(id, bytes) {
      try {
        await write(pathOf(id), bytes, directory);
      } catch (error) {
        if (!fullCodes.includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
        onDiskFault(error as Error);
        throw new StoreUnavailable(error);
      }
    },

    async read(id) {
      try {
        const { size } = await stat(pathOf(id));
        return pieces(pathOf(id), size);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      }
    },

    async delete(id) {
      await rm(pathOf(id), { force: true });
      await rm(`${pathOf(id)}.partial`, { force: true });
    },
  };
}

async function write(path: string, bytes: AsyncIterable<Uint8Array>, directory: string): Promise<void> {
  const partial = `${path}.partial`;
  const file = await create(partial, directory);
  try {
    for await (const piece of bytes) await file.writeFile(piece);
    await rename(partial, path);
    // A rename survives a power cut only once its directory is on disk.
    await Promise.all([file.datasync(), syncDirectory(dirname(path))]);
  } catch (error) {
    await rm(partial, { force: true });
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** Creates an empty file, and its folder when it is the folder's first. */
async function create(path: string, directory: string): Promise<FileHandle> {
  try {
    return await open(path, "w");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  if (await mkdir(dirname(path), { recursive: true })) await syncDirectory(directory);
  return open(path, "w");
}

async function syncDirectory(path: string): Promise<void> {
  await using handle = await open(path);
  await handle.sync();
}
