import { ConfigError } from "./error.ts";
import type { Reader } from "./reader.ts";

/** Any of them switches authentication off: the names that the systems before had. */
const switches = ["AUTH_ENABLED", "AUTHENTICATE"];
const insist = "DARKROOM_ALLOW_OPEN_ACCESS";

/**
 * Whether credentials are asked for. Without, everybody is one test user: refused wherever others than this machine could
 * call, or other people's data may lie, unless a second switch insists.
 */
export function readAuthentication(
  read: Reader,
  { host, isEmbedded }: { readonly host: string; readonly isEmbedded: boolean },
): boolean {
  const off = switches.find((name) => !read.flag(name, true));
  const isInsisted = read.flag(insist, false);
  if (off === undefined) return true;
  if (isInsisted) return false;
  if (!isLoopback(host)) throw new ConfigError(off, `opens everything to whoever reaches ${host}: ${how}`);
  if (!isEmbedded) throw new ConfigError(off, `opens a shared database: ${how}`);
  return false;
}

const how = `listen on 127.0.0.1 with the embedded database, or set ${insist}=true if that is meant`;

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
