import { randomUUID } from "node:crypto";
import { notFound } from "../../model/errors.ts";
import { isId } from "../../model/ids.ts";
import type { Image } from "../../model/image.ts";
import type { ImageJob } from "../../model/image-job.ts";
import { ownerIdOf, type Principal } from "../../model/principal.ts";
import { hourMs } from "../../model/time.ts";
import type { BlobStore } from "../../ports/blob-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { CounterStore } from "../../ports/counter-store.ts";
import type { ImageStore } from "../../ports/image-store.ts";
import type { Authentication } from "../admission/authentication.ts";
import { whileConfirmed } from "../admission/confirmation.ts";
import { ImageInspector } from "./image-inspector.ts";
import type { Images, OpenedImage } from "./images.ts";
import { withinJobLimit } from "./job-uploads.ts";
import { Uploads, uploadMaxMs } from "./uploads.ts";

/** Jobs' pictures are kept until a multiple of this. */
const keepStepMs = hourMs;

interface OwnImagesDeps {
  readonly images: ImageStore;
  readonly blobs: BlobStore;
  readonly counters: CounterStore;
  readonly authentication: Pick<Authentication, "confirm">;
  readonly clock: Clock;
  /** How long a picture is kept that no job uses. */
  readonly keepUploadMs: number;
}

/** Pictures in our own store, each with its owner. */
export class OwnImages implements Images {
  readonly #deps: OwnImagesDeps;
  readonly #uploads: Uploads;

  constructor(deps: OwnImagesDeps) {
    this.#deps = deps;
    this.#uploads = new Uploads(deps.images, deps);
  }

  upload(bytes: AsyncIterable<Uint8Array>, by: Principal): Promise<Image> {
    return withinJobLimit(bytes, by, this.#deps, (counted) => this.#store(counted, by));
  }

  async open(id: string, by: Principal): Promise<OpenedImage> {
    const image = await this.#find(id);
    if (image === undefined || !mayRead(image, by)) throw notFound("image");
    const bytes = await this.#deps.blobs.read(id);
    if (bytes === undefined) throw notFound("image");
    return { image, bytes: whileConfirmed(bytes, by, this.#deps.authentication) };
  }

  async reserve(id: string, ownerId: string, until: number): Promise<void> {
    const { images, clock } = this.#deps;
    const image = await this.#find(id);
    if (image?.ownerId !== ownerId) throw notFound("image");
    if (image.expiresAt >= until) return;
    // Rounded up, so that many jobs of one picture need one write.
    const rounded = Math.ceil(until / keepStepMs) * keepStepMs;
    if (!(await images.keepUntil(id, rounded, clock()))) throw notFound("image");
  }

  async adopt(ids: readonly string[], { id: jobId, ownerId }: ImageJob, until: number): Promise<boolean> {
    const found = await Promise.all(ids.map((id) => this.#find(id)));
    const results = found.flatMap((image) => (image !== undefined && mayBecome(image, jobId) ? image : []));
    if (results.length < ids.length) return false;
    const given = results.map((image) => ({ ...image, ownerId, jobId, expiresAt: until }));
    const adopted = await Promise.all(given.map((image) => this.#adopt(image)));
    return adopted.every(Boolean);
  }

  deleteOf(ownerId: string, stopping?: AbortSignal): Promise<void> {
    return this.#uploads.deleteOf(ownerId, stopping);
  }

  sweep(stopping?: AbortSignal): Promise<void> {
    return this.#uploads.sweep(stopping);
  }

  /** A person's picture is theirs at once; a worker's belongs to nobody until its result is accepted. */
  async #store(bytes: AsyncIterable<Uint8Array>, by: Principal): Promise<Image> {
    const { images, clock } = this.#deps;
    const now = clock();
    const pending: Image = {
      id: randomUUID(),
      ownerId: by.kind === "job" || by.kind === "worker" ? null : ownerIdOf(by),
      jobId: by.kind === "job" ? by.jobId : null,
      type: "image/jpeg",
      width: 0,
      height: 0,
      size: 0,
      ready: false,
      createdAt: now,
      expiresAt: now + uploadMaxMs,
    };
    await images.insert(pending);
    return this.#uploads.take(pending.id, by, () => this.#complete(pending, bytes));
  }

  async #complete(pending: Image, bytes: AsyncIterable<Uint8Array>): Promise<Image> {
    const { images, blobs, keepUploadMs } = this.#deps;
    const inspector = new ImageInspector();
    await blobs.write(pending.id, inspector.pass(bytes));
    const expiresAt = pending.createdAt + keepUploadMs;
    const image = { ...pending, ...inspector.result, ready: true, expiresAt };
    if (!(await images.update(image))) throw new Error("an upload was swept before it was done");
    return image;
  }

  async #adopt(image: Image): Promise<boolean> {
    const { images } = this.#deps;
    if (await images.adopt(image)) return true;
    // An earlier reading of the same result may have adopted it.
    const stored = await images.get(image.id);
    return stored?.ownerId === image.ownerId && stored.jobId === image.jobId;
  }

  async #find(id: string): Promise<Image | undefined> {
    const { images, clock } = this.#deps;
    const image = isId(id) ? await images.get(id) : undefined;
    return image?.ready === true && clock() < image.expiresAt ? image : undefined;
  }
}

function mayRead(image: Image, by: Principal): boolean {
  // A worker of the first system does not say which job it does: knowing the id must be enough.
  if (by.kind === "worker") return true;
  if (by.kind === "job") return image.id === by.inputImageId || image.jobId === by.jobId;
  return image.ownerId === ownerIdOf(by);
}

/** Whether this job's result may name the picture: uploaded with the job's token, or without any and not given to anybody yet. */
function mayBecome(image: Image, jobId: string): boolean {
  return image.jobId === jobId || (image.jobId === null && image.ownerId === null);
}
