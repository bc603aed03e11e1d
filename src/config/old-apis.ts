import { type OldApi, oldApis } from "../model/settings.ts";
import { ConfigError } from "./error.ts";
import type { Reader } from "./reader.ts";

const variable = "DARKROOM_OLD_APIS";

/** Which old systems' routes are served: all, unless they are named, or `none`. */
export function readOldApis(read: Reader): ReadonlySet<OldApi> {
  const list = read.text(variable);
  if (list === undefined) return new Set(oldApis);
  const served = list === "none" ? [] : list.split(",").map((name) => known(name.trim()));
  if (read.text("RELAY_UPSTREAM_URL") !== undefined && !served.includes("relay"))
    throw new ConfigError(variable, "must have relay, since RELAY_UPSTREAM_URL is set");
  return new Set(served);
}

function known(wanted: string): OldApi {
  const found = oldApis.find((name) => name === wanted);
  if (found !== undefined) return found;
  throw new ConfigError(variable, `must be none, or some of ${oldApis.join(", ")}, separated by commas`);
}
