import type { RelaySettings } from "../model/settings.ts";
import { readBaseUrl } from "./base-url.ts";
import type { Reader } from "./reader.ts";

/** Undefined where nothing is relayed. */
export function readRelay(read: Reader): RelaySettings | undefined {
  const limits = {
    silenceMs: read.integer("RELAY_TIMEOUT_SECONDS", 300, 1, 3600) * 1000,
    bodyMax: read.integer("RELAY_BODY_MAX_MIB", 32, 1, 1024) * 1024 * 1024,
    callsMax: read.integer("RELAY_CALLS_MAX", 1000, 1, 20_000),
  };
  const upstreamUrl = readBaseUrl(read, "RELAY_UPSTREAM_URL");
  return upstreamUrl === undefined ? undefined : { upstreamUrl, ...limits };
}
