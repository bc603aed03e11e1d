import { isLoopback } from "../model/address.ts";
import { ConfigError } from "./error.ts";
import type { Reader } from "./reader.ts";

/** Either variable switches authentication off: the old systems had these names. */
const switches = ["AUTH_ENABLED", "AUTHENTICATE"];
const insist = "DARKROOM_ALLOW_OPEN_ACCESS";

export interface Authentication {
  /** False makes everybody the test user. */
  readonly authEnabled: boolean;
  /** Whether it is off for callers on this machine alone. */
  readonly isForThisMachine: boolean;
}

/**
 * Whether credentials are required. Without them, every caller is one test user. That is refused wherever others than
 * this machine could call, or other people's data may lie, unless a second switch insists.
 */
export function readAuthentication(
  read: Reader,
  { host, isEmbedded, isProxied }: { readonly host: string; readonly isEmbedded: boolean; readonly isProxied: boolean },
): Authentication {
  const off = switchedOff(read);
  const isInsisted = read.flag(insist, false);
  if (off === undefined) return { authEnabled: true, isForThisMachine: false };
  if (isInsisted) return { authEnabled: false, isForThisMachine: false };
  if (!isLoopback(host)) throw new ConfigError(off, `opens everything to whoever reaches ${host}: ${how}`);
  if (isProxied) throw new ConfigError(off, `opens everything to whoever a proxy calls for: ${how}`);
  if (!isEmbedded) throw new ConfigError(off, `opens a shared database: ${how}`);
  return { authEnabled: false, isForThisMachine: true };
}

const safely = "listen on 127.0.0.1 with the embedded database, without TRUSTED_PROXIES";
const how = `${safely}, or set ${insist}=true if that is meant`;

/** The variable that switches authentication off. */
function switchedOff(read: Reader): string | undefined {
  const given = switches.filter((name) => read.text(name) !== undefined);
  const off = given.find((name) => !read.flag(name, true));
  const on = given.find((name) => read.flag(name, true));
  if (off !== undefined && on !== undefined) throw new ConfigError(off, `must say the same as ${on}`);
  return off;
}
