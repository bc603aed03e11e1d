import { randomBytes } from "node:crypto";
import { jwtVerify, SignJWT } from "jose";
import type { Clock } from "../ports/clock.ts";
import { InvalidToken, type JobTokens } from "../ports/credentials.ts";
import type { SecretStore } from "../ports/secret-store.ts";
import { assertCompact } from "./compact.ts";
import { hmacKey } from "./hmac-key.ts";

const issuer = "darkroom";
const audience = "darkroom-job";
const type = "job+jwt";
const header = { alg: "HS256", typ: type } as const;
/** What every token of ours begins with: asked of each credential that comes in, so nothing is decoded. */
const beginning = `${Buffer.from(JSON.stringify(header)).toString("base64url")}.`;

/** HS256 by a random key of its own, which stays in the store: only servers issue and check these. */
export async function openJobTokens(secrets: SecretStore, clock: Clock): Promise<JobTokens> {
  const stored = await secrets.getOrCreate("job-token-key", randomBytes(32).toString("base64url"));
  const key = await hmacKey(Buffer.from(stored, "base64url"));

  return {
    issue: ({ jobId, attempt }, expiresAt) =>
      new SignJWT(attempt === null ? {} : { attempt })
        .setProtectedHeader(header)
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(jobId)
        .setExpirationTime(Math.ceil(expiresAt / 1000))
        .sign(key),

    recognises: (token) => token.startsWith(beginning),

    async verify(token) {
      assertCompact(token);
      const { payload } = await jwtVerify(token, key, {
        algorithms: ["HS256"],
        typ: type,
        issuer,
        audience,
        requiredClaims: ["sub", "exp"],
        currentDate: new Date(clock()),
      }).catch((cause: unknown) => {
        throw new InvalidToken("job token refused", { cause });
      });
      return { jobId: payload.sub as string, attempt: typeof payload.attempt === "number" ? payload.attempt : null };
    },
  };
}
