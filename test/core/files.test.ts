import { expect, test } from "vitest";
import { openCore } from "./opened-core.ts";

test("a file whose name is taken is refused before its bytes are asked for", async () => {
  const { files, user } = await openCore();
  let asked = 0;
  async function* bytes(): AsyncGenerator<Uint8Array> {
    asked += 1;
    yield Buffer.from("notes");
  }
  const store = () => files.store({ name: "notes.txt", chatId: undefined }, bytes(), user);
  await store();
  await expect(store()).rejects.toMatchObject({ reason: "FILE_EXISTS" });
  expect(asked).toBe(1);
});
