import { operations } from "../model/access.ts";
import { countMax, defaultRateLimits, type RateLimit, type RateLimits, windowMaxMs } from "../model/rate-limits.ts";
import { ConfigError } from "./error.ts";
import type { Reader } from "./reader.ts";

const variable = "DARKROOM_RATE_LIMITS";
const names = ["user", "client", "address", ...operations];
const shape = "NAME=CALLS/SECONDS or NAME=off, separated by commas";

/** The defaults, changed by `NAME=CALLS/SECONDS` and `NAME=off`. */
export function readRateLimits(read: Reader): RateLimits {
  const limits: Record<string, RateLimit> = { ...defaultRateLimits };
  for (const entry of read.list(variable)) {
    const [, name = "", value = ""] = /^(.+?)\s*=\s*(\S+)$/.exec(entry) ?? [];
    if (!names.includes(name)) throw new ConfigError(variable, `"${entry}" names no operation: use ${shape}`);
    if (value === "off") delete limits[name];
    else limits[name] = readLimit(name, value);
  }
  return limits;
}

function readLimit(name: string, value: string): RateLimit {
  const [, calls, seconds] = /^(\d{1,9})\/(\d{1,6})$/.exec(value) ?? [];
  const count = Number(calls);
  const windowMs = Number(seconds) * 1000;
  if (count >= 1 && count <= countMax && windowMs >= 1000 && windowMs <= windowMaxMs) return { count, windowMs };
  throw new ConfigError(variable, `${name} must be 1 to ${countMax} calls in 1 to ${windowMaxMs / 1000} seconds`);
}
