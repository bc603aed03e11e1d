import type { SecretStore } from "../../ports/secret-store.ts";
import { DuplicateKey } from "../../ports/store-errors.ts";
import type { Database } from "./database.ts";
import { is } from "./records.ts";

interface Secret {
  readonly _id: string;
  readonly value: string;
}

export function mongodbSecretStore(db: Database): SecretStore {
  const secrets = () => db.collection<Secret>("secrets");

  async function getOrCreate(name: string, candidate: string): Promise<string> {
    const options = { upsert: true, returnDocument: "after" } as const;
    const change = { $setOnInsert: { value: candidate } };
    const secret = await db.run(() => secrets().findOneAndUpdate({ _id: is(name) }, change, options));
    return (secret as Secret).value;
  }

  return {
    getOrCreate: (name, candidate) =>
      getOrCreate(name, candidate).catch((error: unknown) => {
        // Another call made the secret first: now it is there.
        if (error instanceof DuplicateKey) return getOrCreate(name, candidate);
        throw error;
      }),
    async replace(name, expected, value) {
      const filter = { _id: is(name), value: is(expected) };
      return (await db.run(() => secrets().updateOne(filter, { $set: { value } }))).matchedCount === 1;
    },
  };
}
