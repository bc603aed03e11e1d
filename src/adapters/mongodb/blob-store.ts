import { Binary } from "mongodb";
import { piecesOf } from "../../helpers/pieces.ts";
import type { BlobStore } from "../../ports/blob-store.ts";
import { StoreUnavailable } from "../../ports/store-errors.ts";
import type { Database } from "./database.ts";
import { is } from "./records.ts";

interface File {
  readonly _id: string;
  readonly length: number;
  readonly chunkSize: number;
  readonly uploadDate: Date;
  readonly filename: string;
}

interface Chunk {
  readonly files_id: string;
  readonly n: number;
  readonly data: Binary;
}

/** GridFS's own chunk size. */
const chunkBytes = 255 * 1024;

/**
 * Blobs in GridFS's layout, so that its tools read them: chunks, and last of all the file that makes them one. Not by the
 * driver's streams, whose calls know no deadline and which read a whole picture ahead.
 */
export function mongodbBlobStore(db: Database): BlobStore {
  const files = () => db.collection<File>("fs.files");
  const chunks = () => db.collection<Chunk>("fs.chunks");

  async function store(id: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    let length = 0;
    let n = 0;
    for await (const chunk of cut(bytes)) {
      await db.run(() => chunks().insertOne({ files_id: id, n, data: new Binary(chunk) }));
      length += chunk.byteLength;
      n += 1;
    }
    const file = { _id: id, length, chunkSize: chunkBytes, uploadDate: new Date(), filename: id };
    await db.run(() => files().insertOne(file));
  }

  async function remove(id: string): Promise<void> {
    // The file first: chunks without one are seen by nobody.
    await db.run(() => files().deleteOne({ _id: is(id) }));
    await db.run(() => chunks().deleteMany({ files_id: is(id) }));
  }

  async function* pieces({ _id, length, chunkSize }: File): AsyncGenerator<Uint8Array> {
    for (let n = 0; n * chunkSize < length; n += 1) {
      const chunk = await db.run(() => chunks().findOne({ files_id: is(_id), n: is(n) }));
      if (chunk === null) throw new Error(`chunk ${n} of blob ${_id} is missing`);
      yield* piecesOf(chunk.data.value());
    }
  }

  return {
    async write(id, bytes) {
      try {
        await store(id, bytes);
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) await remove(id);
        throw error;
      }
    },
    async read(id) {
      const file = await db.run(() => files().findOne({ _id: is(id) }));
      return file === null ? undefined : pieces(file);
    },
    delete: remove,
  };
}

/** The same bytes in chunks, all full but the last. */
async function* cut(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let length = 0;
  for await (let piece of bytes) {
    while (length + piece.byteLength >= chunkBytes) {
      const rest = chunkBytes - length;
      yield Buffer.concat([...waiting, piece.subarray(0, rest)]);
      piece = piece.subarray(rest);
      waiting = [];
      length = 0;
    }
    waiting.push(piece);
    length += piece.byteLength;
  }
  if (length > 0) yield Buffer.concat(waiting);
}
