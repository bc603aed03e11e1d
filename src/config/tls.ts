import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { Tls } from "../model/settings.ts";
import { readCertificate } from "./certificate.ts";
import { ConfigError } from "./error.ts";
import type { Reader } from "./reader.ts";

const [certVariable, keyVariable] = ["TLS_CERT_FILE", "TLS_KEY_FILE"];

/** Undefined for a port in the clear. */
export function readTls(read: Reader): Tls | undefined {
  const cert = readCertificate(read, certVariable);
  const key = read.file(keyVariable);
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined) throw new ConfigError(certVariable, `must be given with ${keyVariable}`);
  if (key === undefined) throw new ConfigError(keyVariable, `must be given with ${certVariable}`);
  insist(keyVariable, "must be a file with the certificate's private key in PEM", () => {
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) throw new Error("it is another's");
  });
  insist(certVariable, "must be a file with a certificate that TLS takes", () => createSecureContext({ cert, key }));
  return { cert, key };
}

function insist(variable: string, rule: string, use: () => unknown): void {
  try {
    use();
  } catch (error) {
    throw new ConfigError(variable, `${rule} (${(error as Error).message.trim()})`);
  }
}
