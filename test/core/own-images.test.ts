import { expect, test } from "vitest";
import { openCore } from "./opened-core.ts";
import { picture } from "./pictures.ts";

test("of two jobs whose results name the same picture at once one gets it, however often", async () => {
  const core = await openCore();
  const bytes = await picture("png");
  async function* once(): AsyncGenerator<Uint8Array> {
    yield bytes;
  }
  const { id } = await core.images.upload(once(), { kind: "worker" });
  const jobs = [await core.submit(), await core.submit()];
  const adopt = () => Promise.all(jobs.map((job) => core.images.adopt([id], job, core.clock() + 1000)));
  const adopted = await adopt();
  expect(adopted.toSorted()).toEqual([false, true]);
  expect(await adopt()).toEqual(adopted);
});
