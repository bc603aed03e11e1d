import type { SignInAttempts } from "../../model/guessing.ts";
import type { SignInAttemptStore } from "../../ports/sign-in-attempt-store.ts";
import type { Database } from "./database.ts";
import { before, is, Records } from "./records.ts";

export function mongodbSignInAttemptStore(db: Database): SignInAttemptStore {
  const all = new Records<SignInAttempts>(db, "attempts");
  return {
    get: (id) => all.get(id),
    insert: (attempts) => all.insert(attempts),
    replace: (attempts) => all.replace(attempts, { version: is(attempts.version - 1) }),
    async delete(id) {
      await all.delete({ _id: is(id) });
    },
    deleteBefore: (lastAt, limit) => all.deleteFirst({ lastAt: before(lastAt) }, { sort: { lastAt: 1 }, limit }),
  };
}
