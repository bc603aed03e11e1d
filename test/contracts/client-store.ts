import { describe, expect, test } from "vitest";
import type { Client } from "../../src/model/client.ts";
import type { ClientStore } from "../../src/ports/client-store.ts";
import { DuplicateKey } from "../../src/ports/store-errors.ts";
import type { Opened } from "./opened.ts";
import { atOnce, growingNumbers, oddTexts, sampleClient, sampleTime } from "./samples.ts";

export function clientStoreContract(name: string, open: () => Promise<Opened<ClientStore>>): void {
  describe(`the client store: ${name}`, () => {
    test("gives a client back as it was", async () => {
      const { store, another } = await open();
      const full: Partial<Client> = { previousKeyHash: "hash", previousKeyUntil: 2 ** 40, expiresAt: 1, lastUsedAt: 2 };
      for (const client of [sampleClient(), sampleClient({ ...full, scopes: [], disabled: true, version: 9 })]) {
        await store.insert(client);
        expect(await store.get(client.id)).toStrictEqual(client);
        expect(await (await another()).get(client.id)).toStrictEqual(client);
      }
    });

    test("keeps every text as it was", async () => {
      const { store } = await open();
      for (const text of oddTexts) {
        const client = sampleClient({ name: text, description: text });
        await store.insert(client);
        expect(await store.get(client.id)).toStrictEqual(client);
      }
    });

    test("finds nothing for what is not there, and refuses a taken id", async () => {
      const { store } = await open();
      const client = sampleClient();
      await store.insert(client);
      for (const text of ["", "nothing", client.id.toUpperCase()]) expect(await store.get(text)).toBeUndefined();
      await expect(store.insert(sampleClient({ id: client.id }))).rejects.toBeInstanceOf(DuplicateKey);
      expect(await store.get(client.id)).toStrictEqual(client);
    });

    test("lets one of 50 writers of the same version win, and none of another version", async () => {
      const { store, another } = await open();
      const stores = [store, await another()] as const;
      const client = sampleClient({ version: 3 });
      await store.insert(client);
      for (const version of [2, 3, 5]) expect(await store.replace({ ...client, version })).toBe(false);
      const won = await atOnce(50, (index) =>
        stores[index % 2 === 0 ? 0 : 1].replace({ ...client, version: 4, name: `writer ${index}` }),
      );
      expect(won.filter(Boolean)).toHaveLength(1);
      expect((await store.get(client.id))?.name).toBe(`writer ${won.indexOf(true)}`);
    });

    test("deletes a client, and tells whether it was there", async () => {
      const { store } = await open();
      const client = sampleClient();
      await store.insert(client);
      expect(await store.delete(client.id)).toBe(true);
      expect(await store.delete(client.id)).toBe(false);
      expect(await store.get(client.id)).toBeUndefined();
      expect(await store.replace({ ...client, version: 2 })).toBe(false);
    });

    test("lists the newest first, page by page", async () => {
      const { store } = await open();
      const clients = growingNumbers.map((createdAt) => sampleClient({ createdAt }));
      const twins = ["a", "b"].map((letter) => sampleClient({ id: letter.repeat(16), createdAt: 10 }));
      for (const client of [...clients, ...twins]) await store.insert(client);
      const expected = [...clients, ...twins].sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
      const seen: Client[] = [];
      for (let page = await store.list(undefined, 3); page.length > 0; page = await store.list(seen.at(-1), 3)) {
        expect(page.length).toBeLessThanOrEqual(3);
        seen.push(...page);
      }
      expect(seen).toStrictEqual(expected);
    });

    test("notes a later use without a new version, and no earlier one", async () => {
      const { store } = await open();
      const client = sampleClient();
      await store.insert(client);
      for (const at of [sampleTime, sampleTime + 5, sampleTime + 4]) await store.touch(client.id, at);
      await store.touch("nothing", sampleTime);
      expect(await store.get(client.id)).toStrictEqual({ ...client, lastUsedAt: sampleTime + 5 });
      expect(await store.replace({ ...client, version: 2 })).toBe(true);
    });
  });
}
