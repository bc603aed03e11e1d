import { hash, timingSafeEqual } from "node:crypto";
import type { IsServiceKey } from "../ports/credentials.ts";

/** Of a key with or without its scheme. Digests are compared: they are as long as each other, whatever came. */
export function serviceKeyCheck(key: string | undefined): IsServiceKey {
  if (key === undefined) return () => false;
  const digestOf = (text: string) => hash("sha256", text, "buffer");
  // A credential comes without.
  const expected = digestOf(key.replace(/^bearer /i, ""));
  return (credential) => timingSafeEqual(digestOf(credential), expected);
}
