import { expect, test } from "vitest";
import { Turns } from "../../src/helpers/turns.ts";

test("works that share a key wait for each other, in their order, even if one fails; others do not", async () => {
  const turns = new Turns();
  const done: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.take(["a", "b"], async () => {
    await gate.promise;
    done.push("first");
    throw new Error("no");
  });
  const second = turns.take(["b", "c"], async () => {
    await new Promise(setImmediate);
    done.push("second");
  });
  const third = turns.take(["c"], async () => void done.push("third"));
  const last = first.catch(() => turns.take(["b"], async () => void done.push("last")));
  await turns.take(["d"], async () => void done.push("other"));
  gate.resolve();
  await expect(first).rejects.toThrow("no");
  await Promise.all([second, third, last]);
  expect(done.slice(0, 3)).toEqual(["other", "first", "second"]);
  expect(done.slice(3).toSorted()).toEqual(["last", "third"]);
});
