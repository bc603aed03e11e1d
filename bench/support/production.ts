import { spawn } from "node:child_process";
import { once } from "node:events";
import { buildFerretdb } from "../../scripts/build-ferretdb.ts";
import { Broker } from "../../test/support/service-bus-broker/broker.ts";
import { endWithUs, scratchDirectory } from "./scratch.ts";

/** FerretDB and the tests' broker: they speak what MongoDB and Service Bus speak, and are as fast as neither. */
export async function startProductionEngines() {
  const directory = scratchDirectory();
  const broker = new Broker({ queues: ["darkroom-jobs", "darkroom-results"] });
  await broker.start();
  const settings = ["--handler=sqlite", `--sqlite-url=file:${directory}/`, `--state-dir=${directory}`];
  const quiet = ["--listen-addr=127.0.0.1:0", "--telemetry=disable", "--debug-addr=-"];
  const child = spawn(await buildFerretdb(), [...settings, ...quiet], {
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  endWithUs(child);
  let printed = "";
  let port: string | undefined;
  while (port === undefined) {
    const [chunk] = await once(child.stderr, "data");
    printed += chunk;
    port = /Listening on TCP 127\.0\.0\.1:(\d+)/.exec(printed)?.[1];
  }
  child.stderr.resume();
  return {
    env: {
      MONGODB_URI: `mongodb://127.0.0.1:${port}/`,
      AZURE_SERVICEBUS_CONNECTION_STRING: broker.connectionString,
    },
    async end() {
      await broker.stop();
      child.kill("SIGKILL");
    },
  };
}
