import { describe, expect, test } from "vitest";
import type { AuditEvent } from "../../src/model/audit.ts";
import type { AuditStore } from "../../src/ports/audit-store.ts";
import { DuplicateKey } from "../../src/ports/store-errors.ts";
import type { Opened } from "./opened.ts";
import { oddTexts, sampleTime } from "./samples.ts";

const everything = { where: undefined, from: "", before: "~", limit: 99 };

function sampleEvent(id: string, change: Partial<AuditEvent> = {}): AuditEvent {
  const who = { actor: "user:1", target: "client:2", address: "192.0.2.1", requestId: "request" };
  return { id, at: sampleTime, action: "client.created", ...who, reason: "", ...change };
}

export function auditStoreContract(name: string, open: () => Promise<Opened<AuditStore>>): void {
  describe(`the audit store: ${name}`, () => {
    test("keeps events as they were, and gives the latest first", async () => {
      const { store, another } = await open();
      const events = oddTexts.map((text, index) => sampleEvent(`id-${index + 100}`, { address: text, reason: text }));
      for (const event of events) await store.append(event);
      for (const seen of [store, await another()]) {
        expect(await seen.list(everything)).toStrictEqual(events.toReversed());
      }
    });

    test("takes an id once, and changes nothing that is there", async () => {
      const { store } = await open();
      await store.append(sampleEvent("a"));
      await expect(store.append(sampleEvent("a", { action: "other" }))).rejects.toBeInstanceOf(DuplicateKey);
      expect(await store.list(everything)).toStrictEqual([sampleEvent("a")]);
    });

    test("gives a part: from an id on, before another, no more than asked for", async () => {
      const { store } = await open();
      for (const id of ["a", "b", "c", "d"]) await store.append(sampleEvent(id));
      const ids = async (change: Partial<Parameters<AuditStore["list"]>[0]>) =>
        (await store.list({ ...everything, ...change })).map(({ id }) => id).join("");
      expect(await ids({ from: "b" })).toBe("dcb");
      expect(await ids({ before: "c" })).toBe("ba");
      expect(await ids({ from: "b", before: "d", limit: 1 })).toBe("c");
    });

    test.each(["action", "actor", "target"] as const)("finds events by their %s, letter by letter", async (field) => {
      const { store } = await open();
      const values = ["x", "X", "x ", "xx", "$gt", "x"];
      for (const [index, value] of values.entries()) await store.append(sampleEvent(`${index}`, { [field]: value }));
      const found = async (value: string) =>
        (await store.list({ ...everything, where: { field, value } })).map(({ id }) => id);
      expect(await found("x")).toEqual(["5", "0"]);
      expect(await found("$gt")).toEqual(["4"]);
      expect(await found("nothing")).toEqual([]);
    });

    test("deletes the oldest before an id, so many at a time", async () => {
      const { store } = await open();
      for (const id of ["a", "b", "c", "d"]) await store.append(sampleEvent(id));
      expect(await store.deleteBefore("d", 2)).toBe(2);
      expect((await store.list(everything)).map(({ id }) => id)).toEqual(["d", "c"]);
      expect(await store.deleteBefore("d", 2)).toBe(1);
      expect(await store.deleteBefore("d", 2)).toBe(0);
    });
  });
}
