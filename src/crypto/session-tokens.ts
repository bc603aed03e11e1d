import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { SessionTokens } from "../ports/credentials.ts";

const secretBytes = 32;
const tokenPattern = /^ds_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;

/** `ds_<session id>_<secret>` with 256 random bits, of which a hash is stored. */
export const sessionTokens: SessionTokens = {
  issue(sessionId) {
    const token = `ds_${sessionId}_${randomBytes(secretBytes).toString("base64url")}`;
    return { token, hash: hashOf(token) };
  },
  read(token) {
    const sessionId = tokenPattern.exec(token)?.[1];
    return sessionId === undefined ? undefined : { sessionId, hash: hashOf(token) };
  },
  matches: (hash, stored) => stored !== null && timingSafeEqual(Buffer.from(hash), Buffer.from(stored)),
};

function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("base64url");
}
