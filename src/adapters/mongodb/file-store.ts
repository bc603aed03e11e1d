import type { StoredFile } from "../../model/file.ts";
import type { FileStore } from "../../ports/file-store.ts";
import { DuplicateKey } from "../../ports/store-errors.ts";
import type { Database } from "./database.ts";
import { atMost, is, Records } from "./records.ts";

export function mongodbFileStore(db: Database): FileStore {
  const files = new Records<StoredFile>(db, "files");
  const findByNameKey = (nameKey: string) => files.findOne({ nameKey: is(nameKey) });

  return {
    insert: (file) => files.insert(file),
    get: (id) => files.get(id),
    findByNameKey,
    async update(file) {
      try {
        return await files.replace(file);
      } catch (error) {
        // FerretDB has no code of its own for a key that an update finds taken.
        const holder = error instanceof DuplicateKey ? undefined : await findByNameKey(file.nameKey);
        throw holder === undefined || holder.id === file.id ? error : new DuplicateKey("a unique value is taken");
      }
    },
    listByOwner: (ownerId, limit) => files.find({ ownerId: is(ownerId) }, { limit }),
    expired: (now, limit) => files.find({ expiresAt: atMost(now) }, { sort: { expiresAt: 1 }, limit }),
    async delete(id) {
      await files.delete({ _id: is(id) });
    },
  };
}
