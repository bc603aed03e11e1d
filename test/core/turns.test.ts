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

test("of works that share a key no two begin in the same turn of the event loop, though one has ended", async () => {
  const turns = new Turns();
  const done: string[] = [];
  const take = (name: string) => turns.take(["a"], async () => void done.push(name));
  await take("first");
  const [second, third] = [take("second"), take("third")];
  await allThatThisTurnCanDo();
  expect(done).toEqual(["first"]);
  await second;
  await allThatThisTurnCanDo();
  expect(done).toEqual(["first", "second"]);
  await third;
});

/** Many times as many steps as the work takes. */
async function allThatThisTurnCanDo(): Promise<void> {
  for (let step = 0; step < 100; step++) await undefined;
}
