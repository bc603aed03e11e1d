import { expect, test } from "vitest";
import { ServiceImages } from "../../src/core/images/service-images.ts";
import { piecesOf } from "../../src/helpers/pieces.ts";
import type { ImageService } from "../../src/ports/image-service.ts";
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
