import { hash, timingSafeEqual } from "node:crypto";
import type { IsServiceKey } from "../ports/credentials.ts";

/**
 * Makes the check for a configured key with or without its scheme. Digests are compared, since they have the same
 * length whatever was sent.
 */
export function serviceKeyCheck(key: string | undefined): IsServiceKey {
  if (key === undefined) return () => false;
  const digestOf = (text: string) => hash("sha256", text, "buffer");
  // A credential is passed in without its scheme.
  const expected = digestOf(key.replace(/^bearer /i, ""));
  return (credential) => timingSafeEqual(digestOf(credential), expected);
}
