import type { StoredFile } from "../../model/file.ts";
import type { FileStore } from "../../ports/file-store.ts";
import type { Database } from "./database.ts";
import { atMost, is, Records } from "./records.ts";

export function mongodbFileStore(db: Database): FileStore {
  const files = new Records<StoredFile>(db, "files");

  return {
    insert: (file) => files.insert(file),
    get: (id) => files.get(id),
    findByNameKey: (nameKey) => files.findOne({ nameKey: is(nameKey) }),
    update: (file) => files.replace(file),
    listByOwner: (ownerId, limit) => files.find({ ownerId: is(ownerId) }, { limit }),
    expired: (now, limit) => files.find({ expiresAt: atMost(now) }, { sort: { expiresAt: 1 }, limit }),
    async delete(id) {
      await files.delete({ _id: is(id) });
    },
  };
}
