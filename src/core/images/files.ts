import { randomUUID } from "node:crypto";
import { checkFields, DomainError } from "../../model/errors.ts";
import { chatIdRule, fileNameKey, fileNameRule, type StoredFile } from "../../model/file.ts";
import { isId } from "../../model/ids.ts";
import type { Principal, UserPrincipal } from "../../model/principal.ts";
import type { BlobStore } from "../../ports/blob-store.ts";
import { type Clock, clockSkewMs } from "../../ports/clock.ts";
import type { FileStore } from "../../ports/file-store.ts";
import { DuplicateKey, StoreUnavailable } from "../../ports/store-errors.ts";
import type { Authentication } from "../admission/authentication.ts";
import { whileConfirmed } from "../admission/confirmation.ts";
import { deleteAll } from "../delete-all.ts";
import { FirstLook } from "./first-look.ts";
import type { Images } from "./images.ts";
import { uploadMaxMs } from "./own-images.ts";

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

  constructor(deps: FilesDeps) {
    this.#deps = deps;
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
    const { files, authentication, clock } = this.#deps;
    const ownerId = by.account.id;
    // A name that is taken now will hardly be free when all bytes have come.
    if ((await files.findByNameKey(fileNameKey(ownerId, name))) !== undefined) throw exists(name);
    const [id, now] = [randomUUID(), clock()];
    const times = { createdAt: now, expiresAt: now + uploadMaxMs };
    const none = { size: 0, imageId: null, ready: false };
    const pending: StoredFile = { id, ownerId, name, nameKey: id, chatId: chatId ?? null, ...none, ...times };
    // The record first: whatever happens next, the sweeper knows of the bytes.
    await files.insert(pending);
    try {
      // An account that was deleted during the upload stores nothing.
      return await this.#complete(pending, bytes, by).finally(() => authentication.confirm(by));
    } catch (error) {
      // A write without an answer may still happen, and a failed delete leaves the record: the sweeper comes for both.
      if (!(error instanceof StoreUnavailable)) await this.#delete(id).catch(() => {});
      throw error;
    }
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
  async deleteOf(ownerId: string): Promise<void> {
    await this.#deleteAll((limit) => this.#deps.files.listByOwner(ownerId, limit));
  }

  /** Deletes files whose time has come. */
  async sweep(): Promise<void> {
    const { files, clock } = this.#deps;
    await this.#deleteAll((limit) => files.expired(clock() - clockSkewMs, limit));
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

  #deleteAll(list: (limit: number) => Promise<StoredFile[]>): Promise<void> {
    return deleteAll(list, (id) => this.#delete(id));
  }

  async #delete(id: string): Promise<void> {
    // The bytes first: while the record is there, the next sweep comes back for them.
    await this.#deps.blobs.delete(id);
    await this.#deps.files.delete(id);
  }
}

function exists(name: string): DomainError {
  return new DomainError("already_exists", "FILE_EXISTS", `File ${name} already exists in storage.`);
}
