import { afterAll } from "vitest";
import { openServer, type ServerOptions, type Settings, type TestServer } from "./server.ts";

/** A server for all tests of the file that asks for it, while it is loaded. */
export function shareServer(env?: Settings, options?: ServerOptions): Promise<TestServer> {
  return openServer(afterAll, env, options);
}
