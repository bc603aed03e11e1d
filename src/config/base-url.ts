import { ConfigError } from "./error.ts";
import type { Reader } from "./reader.ts";

/** Without a slash at the end, so that a path can follow; undefined where it is unset. */
export function readBaseUrl(read: Reader, variable: string): string | undefined {
  const text = read.text(variable);
  if (text === undefined) return undefined;
  const url = URL.parse(text);
  if (url === null || !["http:", "https:"].includes(url.protocol))
    throw new ConfigError(variable, "must be an address that begins with http:// or https://");
  if (url.username + url.password + url.search + url.hash !== "")
    throw new ConfigError(variable, "must have no user, password, query or fragment");
  return url.href.replace(/\/+$/, "");
}
