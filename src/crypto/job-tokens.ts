import { createHmac, createSecretKey, randomBytes, timingSafeEqual } from "node:crypto";
import { unauthenticated } from "../model/errors.ts";
import type { Clock } from "../ports/clock.ts";
import { InvalidToken, type JobClaims, type JobTokens } from "../ports/credentials.ts";
import type { SecretStore } from "../ports/secret-store.ts";

const issuer = "darkroom";
const audience = "darkroom-job";
/** The exact beginning of every token of ours: no field of a received header is read. */
const beginning = `${encoded({ alg: "HS256", typ: "job+jwt" })}.`;

/**
 * HS256 by a random key of its own, which stays in the store: only servers issue and check these. JWS's compact form
 * (RFC 7515) is built by hand, since jose's Web Crypto switches to another thread and back, several times for each job,
 * and each time takes as long as storing the job.
 */
export async function openJobTokens(secrets: SecretStore, clock: Clock): Promise<JobTokens> {
  const stored = await secrets.getOrCreate("job-token-key", randomBytes(32).toString("base64url"));
  const key = createSecretKey(stored, "base64url");
  const macOf = (signed: string) => createHmac("sha256", key).update(signed).digest("base64url");

  /** Compares the MACs as text: one MAC has several base64url spellings. */
  function isOurs(token: string): boolean {
    if (!token.startsWith(beginning)) return false;
    const end = token.lastIndexOf(".");
    const [expected, given] = [Buffer.from(macOf(token.slice(0, end))), Buffer.from(token.slice(end + 1))];
    return expected.length === given.length && timingSafeEqual(expected, given);
  }

  return {
    issue({ jobId, attempt }, expiresAt) {
      const own = attempt === null ? {} : { attempt };
      const claims = { ...own, iss: issuer, aud: audience, sub: jobId, exp: Math.ceil(expiresAt / 1000) };
      const signed = beginning + encoded(claims);
      return `${signed}.${macOf(signed)}`;
    },

    recognises: (token) => token.startsWith(beginning),

    verify(token) {
      if (!isOurs(token)) throw new InvalidToken("no job token of ours");
      return claimsOf(token, Math.floor(clock() / 1000));
    },
  };
}

function encoded(json: object): string {
  return Buffer.from(JSON.stringify(json)).toString("base64url");
}

/** Reads the claims of a token that we signed. `now`: seconds since 1970. */
function claimsOf(token: string, now: number): JobClaims {
  const [, payload = ""] = token.split(".");
  const { iss, aud, sub, exp, attempt } = JSON.parse(Buffer.from(payload, "base64url").toString());
  if (iss !== issuer || aud !== audience || typeof sub !== "string" || typeof exp !== "number")
    throw new InvalidToken("not for jobs");
  if (exp <= now) throw unauthenticated("JOB_ENDED", "the job's deadline has passed");
  return { jobId: sub, attempt: typeof attempt === "number" ? attempt : null };
}
