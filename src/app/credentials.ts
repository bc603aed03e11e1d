import { clientTokenMaxMs, type ServerConfig } from "../config/config.ts";
import { openAccessTokens } from "../crypto/access-tokens.ts";
import { openApiKeys } from "../crypto/api-keys.ts";
import { atOnce, openBcryptPool } from "../crypto/bcrypt-pool.ts";
import { openJobTokens } from "../crypto/job-tokens.ts";
import { KeyRing } from "../crypto/key-ring.ts";
import { emailChanges, passwordResets, sessionTokens } from "../crypto/named-secrets.ts";
import { openRefreshTokens } from "../crypto/refresh-tokens.ts";
import { openRelayIdentities } from "../crypto/relay-identities.ts";
import { serviceKeyCheck } from "../crypto/service-key.ts";
import { noKeys, ringSigner, sharedSecret } from "../crypto/signer.ts";
import { sessionTokenMaxMs } from "../crypto/token-claims.ts";
import { type Clock, clockSkewMs } from "../ports/clock.ts";
import type { SecretStore } from "../ports/secret-store.ts";

/** Everything but passwords that makes and checks credentials, with the keys that all servers share. */
export async function openCredentials(config: ServerConfig, secrets: SecretStore, clock: Clock) {
  const [{ signer, signingKeys }, refreshTokens, jobTokens, relayIdentities] = await Promise.all([
    openSigning(config, secrets, clock),
    openRefreshTokens(secrets),
    openJobTokens(secrets, clock),
    openIdentities(config, secrets, clock),
  ]);
  const accessTokens = openAccessTokens({ signer, clientTokenMs: config.clientTokenMs, clock });
  return {
    accessTokens,
    // A pool of their own: whoever sends wrong keys must not delay logins.
    apiKeys: openApiKeys(openBcryptPool(atOnce.keys)),
    jobTokens,
    emailChanges,
    passwordResets,
    refreshTokens,
    relayIdentities,
    isServiceKey: serviceKeyCheck(config.imageService?.key),
    sessionTokens,
    signingKeys,
  };
}

async function openSigning(config: ServerConfig, secrets: SecretStore, clock: Clock) {
  const { jwtSecret, rotateKeyMs } = config;
  if (jwtSecret !== undefined) return { signer: await sharedSecret(jwtSecret), signingKeys: noKeys };
  const tokenMs = Math.max(clientTokenMaxMs, sessionTokenMaxMs) + clockSkewMs;
  const ring = await KeyRing.open({ secrets, clock, tokenMs, rotateMs: rotateKeyMs });
  return { signer: ringSigner(ring), signingKeys: ring };
}

/** The identities of relayed calls live a minute; undefined where nothing is relayed. */
async function openIdentities({ relay, rotateKeyMs }: ServerConfig, secrets: SecretStore, clock: Clock) {
  if (relay === undefined) return undefined;
  const options = { secrets, clock, tokenMs: 2 * clockSkewMs, rotateMs: rotateKeyMs, use: "relay-identity" };
  return openRelayIdentities(await KeyRing.open(options), clock);
}
