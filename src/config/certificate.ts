import { X509Certificate } from "node:crypto";
import { ConfigError } from "./error.ts";
import type { Reader } from "./reader.ts";

/** PEM of a certificate, with any others behind it; undefined where the variable is unset. */
export function readCertificate(read: Reader, variable: string): string | undefined {
  const pem = read.file(variable);
  if (pem === undefined) return undefined;
  try {
    new X509Certificate(pem);
  } catch {
    throw new ConfigError(variable, "must be a file with a certificate in PEM");
  }
  return pem;
}
