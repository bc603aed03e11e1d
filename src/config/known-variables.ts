import type { RootLog } from "../log/log.ts";
import { type Environment, readServerConfig, readWorkerConfig } from "./config.ts";

const prefix = "DARKROOM_";
/** Variables that Kubernetes sets in each container of a namespace for its services, one of which may be named `darkroom`. */
const ofService = /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP)(_\w+)?)?$/;

/** The environment without our settings, except Stable Diffusion's: for a server with defaults. */
export function withoutSettings(env: Environment): Environment {
  const settings = namesRead();
  const isKept = (name: string) => name.startsWith("SD_WEBUI_") || !settings.has(name);
  return Object.fromEntries(Object.entries(env).filter(([name]) => isKept(name)));
}

/**
 * Warns of each variable that looks like ours and is not: by its prefix, or as a slip for one that is not given. Workers
 * know servers' variables too, since they may share a file.
 */
export function warnOfStrangers(env: Environment, log: RootLog): void {
  const known = namesRead().add("DARKROOM_API_KEY");
  // Too many words are a letter away from HOST and PORT.
  const missing = [...known].filter((name) => env[name] === undefined && name.length > 4);
  for (const variable of Object.keys(env).filter((name) => !known.has(name))) {
    const isNamedOurs = variable.startsWith(prefix) && !ofService.test(variable);
    const like = missing.find((name) => isSlip(variable, name));
    if (isNamedOurs || like !== undefined) log.warn({ variable, like }, "nothing reads this variable");
  }
}

/** Whether a letter too many, too few or another, or two that changed places, tell the names apart. */
function isSlip(given: string, meant: string): boolean {
  if (Math.abs(given.length - meant.length) > 1) return false;
  let from = 0;
  while (from < given.length && given[from] === meant[from]) from += 1;
  const [left, right] = [given.slice(from), meant.slice(from)];
  const isSwap = left[0] === right[1] && left[1] === right[0] && left.slice(2) === right.slice(2);
  return isSwap || left.slice(1) === right || left === right.slice(1) || left.slice(1) === right.slice(1);
}

/** All variables that are read, found by reading an empty environment. */
function namesRead(): Set<string> {
  const names = new Set<string>();
  const get = (_: unknown, name: string) => {
    names.add(name);
    // A worker's configuration needs a server.
    return name === "DARKROOM_SERVER_URL" ? "http://127.0.0.1" : undefined;
  };
  const empty = new Proxy<Environment>({}, { get });
  readServerConfig(empty);
  readWorkerConfig(empty);
  return names;
}
