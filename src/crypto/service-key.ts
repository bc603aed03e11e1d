import { hash, timingSafeEqual } from "node:crypto";
import type { ServiceKey } from "../ports/credentials.ts";

/** Of a key with or without its scheme. Digests are compared: they are as long as each other, whatever came. */
export function openServiceKey(key: string): ServiceKey {
  const digestOf = (text: string) => hash("sha256", text, "buffer");
  // A credential comes without.
  const expected = digestOf(key.replace(/^bearer /i, ""));
  return { matches: (credential) => timingSafeEqual(digestOf(credential), expected) };
}
