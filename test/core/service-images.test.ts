import { expect, test } from "vitest";
import { ServiceImages } from "../../src/core/images/service-images.ts";
import { piecesOf } from "../../src/helpers/pieces.ts";
import { jobUploadsMax } from "../../src/model/image.ts";
import type { ImageService } from "../../src/ports/image-service.ts";
import { sampleAccount } from "../contracts/samples.ts";
import { paddedPng } from "../support/pictures.ts";

test("whoever leaves a picture before its end lets go of the rest at the service", async () => {
  const picture = await paddedPng(1024 * 1024);
  let isRead = false;
  async function* pieces() {
    isRead = true;
    try {
      yield* piecesOf(picture);
    } finally {
      isRead = false;
    }
  }
  const service: ImageService = {
    store: () => Promise.reject(new Error("nothing is stored here")),
    fetch: async () => ({ size: picture.length, bytes: pieces() }),
    ping: async () => {},
  };
  const authentication = { confirm: async () => {} };
  const counters = { add: () => Promise.reject(new Error("nothing is counted here")), deleteBefore: async () => 0 };
  const images = new ServiceImages({ service, counters, authentication, clock: Date.now });
  const { bytes } = await images.open("any", { kind: "worker" });
  expect(isRead).toBe(true);
  for await (const _piece of bytes) break;
  expect(isRead).toBe(false);
});

test("a job's pictures are counted though they lie elsewhere, and one too many does not go there", async () => {
  const picture = await paddedPng(1024);
  let count = jobUploadsMax - 1;
  const counters = {
    async add(id: string, amount: number) {
      count += amount;
      return { id, count, startedAt: 0 };
    },
    deleteBefore: async () => 0,
  };
  let stored = 0;
  const service: ImageService = {
    async store(_type, bytes) {
      for await (const _piece of bytes);
      stored += 1;
      return "any";
    },
    fetch: async () => undefined,
    ping: async () => {},
  };
  const authentication = { confirm: async () => {} };
  const images = new ServiceImages({ service, counters, authentication, clock: Date.now });
  const owner = { kind: "user", account: sampleAccount(), sessionId: "" } as const;
  const by = { kind: "job", jobId: "any", attempt: null, inputImageId: "", owner } as const;
  async function* bytes() {
    yield picture;
  }
  const upload = () => images.upload(bytes(), by);
  await upload();
  await expect(upload()).rejects.toMatchObject({ reason: "TOO_MANY_UPLOADS" });
  expect([stored, count]).toEqual([1, jobUploadsMax]);
});
