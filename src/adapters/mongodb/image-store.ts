import type { Image } from "../../model/image.ts";
import type { ImageStore } from "../../ports/image-store.ts";
import type { Database } from "./database.ts";
import { after, atMost, is, isNull, Records } from "./records.ts";

export function mongodbImageStore(db: Database): ImageStore {
  const images = new Records<Image>(db, "images");
  return {
    insert: (image) => images.insert(image),
    get: (id) => images.get(id),
    update: (image) => images.replace(image),
    adopt: (image) => images.replace(image, { ownerId: isNull }),
    keepUntil: (id, expiresAt, now) => images.raise({ _id: is(id), expiresAt: after(now) }, "expiresAt", expiresAt),
    expired: (now, limit) => images.find({ expiresAt: atMost(now) }, { sort: { expiresAt: 1 }, limit }),
    listByOwner: (ownerId, limit) => images.find({ ownerId: is(ownerId) }, { limit }),
    async delete(id) {
      await images.delete({ _id: is(id) });
    },
  };
}
