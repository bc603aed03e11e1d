import { randomUUID } from "node:crypto";
import { notFound } from "../model/errors.ts";
import { type Image, isId } from "../model/image.ts";
import { ownerIdOf, type Principal } from "../model/principal.ts";
import type { BlobStore } from "../ports/blob-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { ImageStore } from "../ports/image-store.ts";
import { StoreUnavailable } from "../ports/store-errors.ts";
import { ImageInspector } from "./image-inspector.ts";

/** How long an upload may take; after that what there is of it is swept. */
const uploadMaxMs = 60 * 60 * 1000;
/** How far the clocks of several servers may be apart: until then nobody deletes what another may still be keeping. */
const skewMs = 60_000;

export interface StoredImage {
  readonly image: Image;
  readonly bytes: AsyncIterable<Uint8Array>;
}

export class Images {
  readonly #store: ImageStore;
  readonly #blobs: BlobStore;
  readonly #clock: Clock;
  /** How long a picture is kept that no job uses. */
  readonly #keepUploadMs: number;

  constructor(deps: { images: ImageStore; blobs: BlobStore; clock: Clock; keepUploadMs: number }) {
    this.#store = deps.images;
    this.#blobs = deps.blobs;
    this.#clock = deps.clock;
    this.#keepUploadMs = deps.keepUploadMs;
  }

  /** A person's picture is theirs at once; a worker's belongs to nobody until its result is accepted. */
  async upload(bytes: AsyncIterable<Uint8Array>, by: Principal): Promise<Image> {
    const now = this.#clock();
    const inspector = new ImageInspector();
    const pending: Image = {
      id: randomUUID(),
      ownerId: by.kind === "job" ? null : ownerIdOf(by),
      jobId: by.kind === "job" ? by.jobId : null,
      type: "image/jpeg",
      width: 0,
      height: 0,
      size: 0,
      ready: false,
      createdAt: now,
      expiresAt: now + uploadMaxMs,
    };
    // The record first: whatever happens next, the sweeper knows of the bytes.
    await this.#store.insert(pending);
    try {
      await this.#blobs.write(pending.id, inspector.pass(bytes));
      const image = { ...pending, ...inspector.result, ready: true, expiresAt: now + this.#keepUploadMs };
      if (!(await this.#store.update(image))) throw new Error("an upload was swept before it was done");
      return image;
    } catch (error) {
      // What is not known to be written may be yet: the sweeper comes when it is.
      if (!(error instanceof StoreUnavailable)) await this.#delete(pending.id);
      throw error;
    }
  }

  async open(id: string, by: Principal): Promise<StoredImage> {
    const image = await this.#find(id);
    if (image === undefined || !mayRead(image, by)) throw notFound("image");
    const bytes = await this.#blobs.read(id);
    if (bytes === undefined) throw notFound("image");
    return { image, bytes };
  }

  /** Keeps an account's own picture for a job; `not_found` for any other. */
  async reserve(id: string, ownerId: string, until: number): Promise<void> {
    const image = await this.#find(id);
    const isKept = image?.ownerId === ownerId && (await this.#store.keepUntil(id, until, this.#clock()));
    if (!isKept) throw notFound("image");
  }

  /** Whether all are whole pictures that were uploaded with this job's token. */
  async areOf(jobId: string, ids: readonly string[]): Promise<boolean> {
    const images = await Promise.all(ids.map((id) => this.#find(id)));
    return images.every((image) => image?.jobId === jobId);
  }

  /** Gives a job's result to its owner. Repeating it changes nothing. */
  async adopt(id: string, ownerId: string, until: number): Promise<void> {
    const image = await this.#find(id);
    if (image !== undefined)
      await this.#store.update({ ...image, ownerId, expiresAt: Math.max(image.expiresAt, until) });
  }

  /** Deletes pictures of an owner, at most `limit`; how many it deleted. */
  async deleteOf(ownerId: string, limit: number): Promise<number> {
    const images = await this.#store.listByOwner(ownerId, limit);
    for (const { id } of images) await this.#delete(id);
    return images.length;
  }

  /** Deletes pictures whose time has come, at most `limit`; how many it deleted. */
  async sweep(limit: number): Promise<number> {
    const expired = await this.#store.expired(this.#clock() - skewMs, limit);
    for (const { id } of expired) await this.#delete(id);
    return expired.length;
  }

  async #delete(id: string): Promise<void> {
    // The bytes first: while the record is there, the next sweep comes back for them.
    await this.#blobs.delete(id);
    await this.#store.delete(id);
  }

  async #find(id: string): Promise<Image | undefined> {
    const image = isId(id) ? await this.#store.get(id) : undefined;
    return image?.ready === true && this.#clock() < image.expiresAt ? image : undefined;
  }
}

function mayRead(image: Image, by: Principal): boolean {
  if (by.kind !== "job") return image.ownerId === ownerIdOf(by);
  return image.id === by.inputImageId || image.jobId === by.jobId;
}
