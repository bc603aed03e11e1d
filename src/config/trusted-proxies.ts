import { compile } from "proxy-addr";
import type { TrustedProxies } from "../model/settings.ts";
import { ConfigError } from "./error.ts";
import type { Reader } from "./reader.ts";

const variable = "TRUSTED_PROXIES";

/** Undefined where nobody is trusted. */
export function readTrustedProxies(read: Reader): TrustedProxies {
  const names = read.list(variable);
  if (names.length === 0) return undefined;
  try {
    return compile(names);
  } catch {
    const shape = "addresses, ranges such as 10.0.0.0/8, or loopback, linklocal, uniquelocal, separated by commas";
    throw new ConfigError(variable, `must be ${shape}`);
  }
}
