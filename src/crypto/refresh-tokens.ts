import { createHmac, hash, randomBytes, timingSafeEqual } from "node:crypto";
import { hyphenated } from "../model/ids.ts";
import type { RefreshTokens, Secret } from "../ports/credentials.ts";
import type { SecretStore } from "../ports/secret-store.ts";

const sessionLength = 16;
const secretLength = 32;
const sealLength = 16;
const tokenLength = 86;

/**
 * A refresh token is base64url(session id, secret, seal). Only a hash of it is stored. The seal is a MAC by a key of
 * the store: it tells an old token of ours, whose use ends the session, from a made-up one, which must not. A
 * successor's secret is a MAC of its predecessor's, so a repeated refresh gets the same answer.
 */
export async function openRefreshTokens(secrets: SecretStore): Promise<RefreshTokens> {
  const stored = await secrets.getOrCreate("refresh-token-key", randomBytes(32).toString("base64url"));
  const key = Buffer.from(stored, "base64url");
  const mac = (purpose: string, data: Uint8Array) => createHmac("sha256", key).update(purpose).update(data).digest();

  function compose(session: Buffer, secret: Buffer): Secret {
    const body = Buffer.concat([session, secret]);
    const token = Buffer.concat([body, mac("seal", body).subarray(0, sealLength)]).toString("base64url");
    return { token, hash: hashOf(body) };
  }

  return {
    first: (sessionId) => compose(Buffer.from(sessionId.replaceAll("-", ""), "hex"), randomBytes(secretLength)),

    successor(token) {
      const { session, secret } = split(token);
      return compose(session, mac("next", Buffer.concat([session, secret])));
    },

    read(token) {
      const { session, body, seal, canonical } = split(token);
      if (token.length !== tokenLength || token !== canonical) return undefined;
      if (!timingSafeEqual(seal, mac("seal", body).subarray(0, sealLength))) return undefined;
      return { sessionId: hyphenated(session.toString("hex")), hash: hashOf(body) };
    },
  };
}

interface Parts {
  readonly session: Buffer;
  readonly secret: Buffer;
  readonly body: Buffer;
  readonly seal: Buffer;
  /** The one valid spelling of these bytes: the last character of a token has unused bits. */
  readonly canonical: string;
}

function split(token: string): Parts {
  const bytes = Buffer.from(token, "base64url");
  const body = bytes.subarray(0, sessionLength + secretLength);
  return {
    session: body.subarray(0, sessionLength),
    secret: body.subarray(sessionLength),
    body,
    seal: bytes.subarray(sessionLength + secretLength),
    canonical: bytes.toString("base64url"),
  };
}

function hashOf(body: Uint8Array): string {
  return hash("sha256", body, "base64url");
}
