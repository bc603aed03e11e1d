import { createPrivateKey } from "node:crypto";
import { createSecureContext } from "node:tls";
import { readCertificate } from "./certificate.ts";
import { ConfigError } from "./error.ts";
import type { Reader } from "./reader.ts";

const [certVariable, keyVariable] = ["TLS_CERT_FILE", "TLS_KEY_FILE"];

/** PEM of a certificate and its key; undefined for a port in the clear. */
export function readTls(read: Reader): { readonly cert: string; readonly key: string } | undefined {
  const cert = readCertificate(read, certVariable);
  const key = read.file(keyVariable);
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined) throw new ConfigError(certVariable, `must be given with ${keyVariable}`);
  if (key === undefined) throw new ConfigError(keyVariable, `must be given with ${certVariable}`);
  try {
    createPrivateKey(key);
    createSecureContext({ cert, key });
  } catch (error) {
    const { message } = error as Error;
    throw new ConfigError(keyVariable, `must be a file with the certificate's private key in PEM (${message.trim()})`);
  }
  return { cert, key };
}
