import { randomUUID } from "node:crypto";
import { checkFields, DomainError } from "../../model/errors.ts";
import { chatIdRule, fileNameKey, fileNameRule, type StoredFile } from "../../model/file.ts";
import { isId } from "../../model/ids.ts";
import type { Principal, UserPrincipal } from "../../model/principal.ts";
import type { BlobStore } from "../../ports/blob-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { FileStore } from "../../ports/file-store.ts";
import { DuplicateKey } from "../../ports/store-errors.ts";
import type { Authentication } from "../admission/authentication.ts";
import { whileConfirmed } from "../admission/confirmation.ts";
import { FirstLook } from "./first-look.ts";
import type { Images } from "./images.ts";
import { Uploads, uploadMaxMs } from "./uploads.ts";

interface FilesDeps {
  readonly files: FileStore;
  readonly blobs: BlobStore;
  readonly images: Images;
  readonly authentication: Pick<Authentication, "confirm">;
  readonly clock: Clock;
  /** How long a file is kept: as long as a picture that no job uses. */
  readonly keepUploadMs: number;
}

export interface OpenedFile {
  readonly file: StoredFile;
  /** In pieces of at most 64 KiB. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** Files of any type; an owner has each name once. A file that is a picture becomes one, wherever pictures lie. */
export class Files {
  readonly #deps: FilesDeps;
  readonly #uploads: Uploads;

  constructor(deps: FilesDeps) {
    this.#deps = deps;
    this.#uploads = new Uploads(deps.files, deps);
  }

  /**
   * Resolves to the id that the file, or the picture that it became, is fetched by. Of several at once with the same name
   * the first that is whole gets it.
   */
  async store(
    { name, chatId }: { readonly name: string; readonly chatId: string | undefined },
    bytes: AsyncIterable<Uint8Array>,
    by: UserPrincipal,
  ): Promise<string> {
    checkFields({ chat_id: () => chatIdRule(chatId), name: () => fileNameRule(name) });
    const { files, clock } = this.#deps;
    const ownerId = by.account.id;
    // A name that is taken now will hardly be free when all bytes have come.
    if ((await files.findByNameKey(fileNameKey(ownerId, name))) !== undefined) throw exists(name);
    const [id, now] = [randomUUID(), clock()];
    const times = { createdAt: now, expiresAt: now + uploadMaxMs };
    const none = { size: 0, imageId: null, ready: false };
    const pending: StoredFile = { id, ownerId, name, nameKey: id, chatId: chatId ?? null, ...none, ...times };
    await files.insert(pending);
    return this.#uploads.take(id, by, () => this.#complete(pending, bytes, by));
  }

  /** Undefined for a file that does not exist, or is somebody else's. */
  async open(id: string, by: Principal): Promise<OpenedFile | undefined> {
    const { files, blobs, authentication, clock } = this.#deps;
    if (by.kind !== "user" || !isId(id)) return undefined;
    const file = await files.get(id);
    if (file?.ownerId !== by.account.id || !file.ready || clock() >= file.expiresAt) return undefined;
    const bytes = file.imageId === null ? await blobs.read(id) : undefined;
    return bytes && { file, bytes: whileConfirmed(bytes, by, authentication) };
  }

  /** Deletes an owner's files. Pictures are deleted as such. */
  deleteOf(ownerId: string, stopping?: AbortSignal): Promise<void> {
    return this.#uploads.deleteOf(ownerId, stopping);
  }

  sweep(stopping?: AbortSignal): Promise<void> {
    return this.#uploads.sweep(stopping);
  }

  async #complete(pending: StoredFile, bytes: AsyncIterable<Uint8Array>, by: UserPrincipal): Promise<string> {
    const { blobs, keepUploadMs } = this.#deps;
    const { id, ownerId, name, createdAt } = pending;
    const look = new FirstLook();
    await blobs.write(id, look.pass(bytes));
    const named = { ...pending, nameKey: fileNameKey(ownerId, name), size: look.size };
    // The name first: an image service deletes nothing, so a picture sent there before its name proved to be taken
    // would stay for ever.
    await this.#update(named);
    const imageId = look.seemsPicture ? await this.#toPicture(id, by) : null;
    await this.#update({ ...named, imageId, ready: true, expiresAt: createdAt + keepUploadMs });
    if (imageId === null) return id;
    // Where that fails, the bytes are deleted with the record.
    await blobs.delete(id).catch(() => {});
    return imageId;
  }

  /** Null for a file that only begins like a picture. */
  async #toPicture(id: string, by: UserPrincipal): Promise<string | null> {
    const { blobs, images } = this.#deps;
    const bytes = await blobs.read(id);
    if (bytes === undefined) throw new Error("what was just stored is gone");
    try {
      return (await images.upload(bytes, by)).id;
    } catch (error) {
      if (error instanceof DomainError && error.code === "invalid_argument") return null;
      throw error;
    }
  }

  async #update(file: StoredFile): Promise<void> {
    try {
      if (!(await this.#deps.files.update(file))) throw new Error("an upload was swept before it was done");
    } catch (error) {
      throw error instanceof DuplicateKey ? exists(file.name) : error;
    }
  }
}

function exists(name: string): DomainError {
  return new DomainError("already_exists", "FILE_EXISTS", `File ${name} already exists in storage.`);
}
