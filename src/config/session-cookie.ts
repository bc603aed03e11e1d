import { ConfigError } from "./error.ts";
import type { Reader } from "./reader.ts";

const variable = "SESSION_COOKIE_DOMAIN";
const domainPattern = /^(?=.{4,253}$)([a-z\d]([a-z\d-]{0,61}[a-z\d])?\.)+[a-z][a-z\d-]*[a-z\d]$/;

/** Undefined for the host alone that set it. Browsers keep no cookie for an address or for a name without a dot. */
export function readCookieDomain(read: Reader): string | undefined {
  const domain = read.text(variable)?.toLowerCase();
  if (domain === undefined || domainPattern.test(domain)) return domain;
  throw new ConfigError(variable, "must be a domain such as example.com, with neither a port nor a dot before it");
}
