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

/** Warns of each variable that looks like ours and is not. Workers know servers' variables too, since they may share a file. */
export function warnOfStrangers(env: Environment, log: RootLog): void {
  const known = namesRead().add("DARKROOM_API_KEY");
  const isStrange = (name: string) => name.startsWith(prefix) && !known.has(name) && !ofService.test(name);
  for (const variable of Object.keys(env).filter(isStrange)) log.warn({ variable }, "nothing reads this variable");
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
