import { type ChildProcess, fork, spawn } from "node:child_process";
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import manifest from "../package.json" with { type: "json" };
import type { ImportOptions, ImportSystem } from "./app/import-app.ts";
import type { App } from "./app/server-app.ts";
import { advice, heading } from "./cli/banner.ts";
import type { DemoOptions } from "./cli/demo.ts";
import {
  checkWorkerInside,
  readOperatorsServer,
  readServerConfig,
  readServerTls,
  readWorkerConfig,
} from "./config/config.ts";
import { warnOfStrangers, withoutSettings } from "./config/known-variables.ts";
import type { RootLog } from "./log/log.ts";
import { fail, onSignal, openLog, surviveNothing } from "./process.ts";

// Each command loads only what it needs: a server no picture library, a worker no web server. The compile cache is made
// once on each machine.
enableCompileCache(join(import.meta.dirname, "../.cache/node"));

const settingsHelp = "\nSettings are environment variables, such as PORT: docs/configuration.md has all.";
const program = new Command("darkroom")
  .description("An authentication gateway and image-job service.")
  .addHelpText("after", settingsHelp)
  .version(manifest.version);

program
  .command("serve")
  .description("serve the API, with a worker beside it")
  .option("--no-worker", "without a worker")
  .addHelpText("after", settingsHelp)
  .action(serve);
program
  .command("worker")
  .description("take jobs of the server at DARKROOM_SERVER_URL")
  .addHelpText("after", settingsHelp)
  .action(work);
program
  .command("demo")
  .description("develop a picture, as a client of a server of its own")
  .argument("[picture]", "a JPEG, PNG or WebP file; a sample is drawn when none is given")
  .option("--prompt <text>", "what to do with it", "warmer and vivid, with a vignette and a little grain")
  .option("--model <name>", "the model that does it; the default one when not given")
  .option("--strength <number>", "how far from the original, 0 to 1", number, 1)
  .option("--out <file>", "where to save the result, most often in the picture's format")
  .action(demo);

program
  .command("migrate")
  .description("copy the data directory of a stopped server to the MongoDB at MONGODB_URI")
  .option("--dry-run", "only tell what would be copied", false)
  .action(migrate);

const operator = {
  readServer: () => readOperatorsServer(process.env),
  credential: process.env.DARKROOM_API_KEY?.trim() || undefined,
  openStore: () => openStore({ needsQueues: false }),
  print: (text: string) => void process.stdout.write(text),
};
await addOperatorsCommands();

process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => {
  // The reader of our output may go away before we do. Everything else goes on.
  if (code === "EPIPE" || process.exitCode === 1) return;
  process.exitCode = 1;
  const advice = "a key or password that it had is lost: make another";
  process.stderr.write(`darkroom: the output cannot be written (${code}); ${advice}\n`);
});
program.parseAsync().catch(fail);

/** Adds the operators' commands only when one is called: a server needs no client. */
async function addOperatorsCommands(): Promise<void> {
  if (program.commands.some((command) => command.name() === process.argv[2])) return;
  const { clientCommands } = await import("./cli/operators/client-commands.ts");
  const { deadLetterCommands } = await import("./cli/operators/dead-letter-commands.ts");
  const { keyCommands } = await import("./cli/operators/key-commands.ts");
  const { tokenCommands } = await import("./cli/operators/token-commands.ts");
  const { userCommands } = await import("./cli/operators/user-commands.ts");
  const { importCommands } = await import("./cli/import.ts");
  for (const make of [clientCommands, userCommands, keyCommands, tokenCommands]) program.addCommand(make(operator));
  program.addCommand(deadLetterCommands({ ...operator, openStore: () => openStore({ needsQueues: true }) }));
  program.addCommand(importCommands({ directory: callersDirectory(), importFrom, print: printed }));
}

/** Resolves once it is out. */
function printed(text: string): Promise<void> {
  return new Promise((resolve, reject) => process.stdout.write(text, (error) => (error ? reject(error) : resolve())));
}

async function openStore(needs: { readonly needsQueues: boolean }) {
  const { openStoreApi } = await import("./app/store-app.ts");
  const { isUnused } = await import("./app/backends.ts");
  const config = readServerConfig(process.env);
  if (isUnused(config))
    process.stderr.write(`darkroom: there was no database in ${config.dataDir}: a new one is made\n`);
  // The command's output is its answer, so only errors are logged.
  return openStoreApi(config, openLog("error"), needs);
}

async function* importFrom(system: ImportSystem, path: string, options: ImportOptions) {
  const app = await import("./app/import-app.ts");
  yield* app.importFrom(system, path, readServerConfig(process.env), { ...options, log: openLog("error") });
}

async function serve(options: { worker: boolean }): Promise<void> {
  const config = readServerConfig(process.env);
  const forkOurWorker = (url: string) => forkWorker(workersEnvironment(url, config.dataDir));
  if (options.worker) checkWorkerInside(workersEnvironment("http://127.0.0.1", config.dataDir), config);
  const log = openLog(config.logLevel);
  surviveNothing(log);
  warnOfStrangers(process.env, log);
  const renew = () =>
    void starting.then(
      (app) => renewTls(app, log),
      () => {},
    );
  const stopBy = onSignal("server", log, config.tls && renew);
  const starting = import("./app/server-app.ts").then(({ startServer }) =>
    startServer(config, {
      log,
      forkWorker: options.worker ? forkOurWorker : undefined,
      onListening(url) {
        stopBy(async (onPart) => (await starting).stop(onPart));
        log.info({ url, version: manifest.version }, "the server takes calls");
        process.stdout.write(heading(url, config));
      },
    }),
  );
  process.stdout.write(advice(await starting, config));
}

/** Keeps the old certificate when the files are no certificate with its key. */
function renewTls(app: App, log: RootLog): void {
  try {
    const tls = readServerTls(process.env);
    if (tls !== undefined) app.renewTls(tls);
    log.info({}, "the certificate of TLS_CERT_FILE was read again");
  } catch (error) {
    log.error({ reason: (error as Error).message }, "the certificate could not be read again; the one before is shown");
  }
}

async function work(): Promise<void> {
  const config = readWorkerConfig(process.env);
  const log = openLog(config.logLevel);
  surviveNothing(log);
  const isInside = process.connected !== undefined;
  if (!isInside) warnOfStrangers(process.env, log);
  // A server's own worker ignores a hang-up: the server gets it too and decides.
  const stopBy = onSignal("worker", log, isInside ? () => {} : undefined);
  // The server that forked this process is gone, however it went; perhaps already.
  const end = () => void process.kill(process.pid, "SIGTERM");
  process.once("disconnect", end);
  if (process.connected === false) end();
  const { startWorker } = await import("./app/worker-app.ts");
  const worker = await startWorker(config, { log, parent: isInside ? process : undefined });
  stopBy(worker.stop);
}

async function migrate({ dryRun }: { dryRun: boolean }): Promise<void> {
  const { runMigration } = await import("./cli/migrate.ts");
  const config = readServerConfig(process.env);
  process.stdout.write(await runMigration(config, { dryRun, log: openLog(config.logLevel) }));
}

async function demo(picture: string | undefined, options: Omit<DemoOptions, "picture">): Promise<void> {
  const { runDemo } = await import("./cli/demo.ts");
  await runDemo(
    { picture, ...options },
    {
      directory: callersDirectory(),
      isTerminal: process.stdout.isTTY,
      print: (text) => void process.stdout.write(text),
      startServer: (env) =>
        spawn(process.execPath, [import.meta.filename, "serve"], {
          env: { ...withoutSettings(process.env), ...env },
          stdio: ["ignore", "pipe", "inherit"],
        }),
      onInterrupt: (listener) => void process.on("SIGINT", listener).on("SIGTERM", listener).on("SIGHUP", listener),
    },
  );
}

/** The directory of the user: npm changes into the project's before it starts us. */
function callersDirectory(): string {
  return process.env.INIT_CWD ?? process.cwd();
}

/**
 * The environment of the server's own worker. It leaves out the server's certificate, which the server sends to the
 * worker: the file may have another by then.
 */
function workersEnvironment(url: string, dataDir: string): NodeJS.ProcessEnv {
  const own = { DARKROOM_SERVER_URL: url, DARKROOM_DATA_DIR: dataDir, DARKROOM_SERVER_CERT_FILE: "" };
  return { ...process.env, ...own };
}

/** The worker inherits the options of Node, which it needs as much: see docs/performance.md. */
function forkWorker(env: NodeJS.ProcessEnv): ChildProcess {
  return fork(import.meta.filename, ["worker"], { env });
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || Number.isNaN(value)) throw new InvalidArgumentError("it must be a number");
  return value;
}
