import { hash, timingSafeEqual } from "node:crypto";
import type { ServiceKey } from "../ports/credentials.ts";

/** Digests are compared: they are as long as each other, whatever came. */
export function openServiceKey(key: string): ServiceKey {
  const digestOf = (text: string) => hash("sha256", text, "buffer");
  const expected = digestOf(key);
  return { matches: (credential) => timingSafeEqual(digestOf(credential), expected) };
}
