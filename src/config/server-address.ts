import { readBaseUrl } from "./base-url.ts";
import { readCertificate } from "./certificate.ts";
import { ConfigError } from "./error.ts";
import type { Reader } from "./reader.ts";

/** Where workers and operators find their server. */
export interface ServerAddress {
  readonly serverUrl: string;
  /** PEM of the certificate that the server shows; undefined to trust the machine's authorities. */
  readonly pinnedCert: string | undefined;
}

export function readServerAddress(read: Reader, fallback?: string): ServerAddress {
  const serverUrl = readBaseUrl(read, "DARKROOM_SERVER_URL") ?? fallback;
  if (serverUrl === undefined) throw new ConfigError("DARKROOM_SERVER_URL", "must be the address of a server");
  return { serverUrl, pinnedCert: readCertificate(read, "DARKROOM_SERVER_CERT_FILE") };
}
