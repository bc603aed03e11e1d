import { expect, test } from "vitest";
import { sqliteClientStore } from "../../src/adapters/sqlite/client-store.ts";
import { Clients } from "../../src/core/clients.ts";
import { openDatabase } from "../adapters/sqlite-harness.ts";
import { sampleClient } from "../contracts/samples.ts";

test("a client whose jobs cannot be cancelled has lost its access, and is deleted by the next call", async () => {
  const { db } = await openDatabase();
  const clients = sqliteClientStore(db);
  const imageJobs = { cancelAll: () => Promise.reject(new Error("a fault")) };
  const deps = { clients, imageJobs, clock: Date.now };
  const useCases = new Clients(deps as unknown as ConstructorParameters<typeof Clients>[0]);
  const { id } = sampleClient();
  await clients.insert(sampleClient({ id }));
  await expect(useCases.delete(id)).rejects.toThrow("a fault");
  expect(await clients.get(id)).toMatchObject({ disabled: true });
  imageJobs.cancelAll = async () => undefined as never;
  await useCases.delete(id);
  expect(await clients.get(id)).toBeUndefined();
});
