import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { allocator, nodeOptions } from "../../bench/support/darkroom.ts";
import { connect, State } from "../../src/client/index.ts";
import { project } from "../support/consumer.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { signIn, submitJob } from "../support/server.ts";
import { build, environment, listed, user } from "./dockerfile.ts";

/** Packages are fetched. */
const timeoutMs = 300_000;
const wait = { seconds: 60n };

/** What is in the image, run by its user where this process may become one. */
async function container() {
  const directory = scratchDirectory();
  chmodSync(directory, 0o755);
  const app = await build(directory);
  // The image brings its own; and this one may lie where others may not look.
  const node = join(directory, "node");
  copyFileSync(process.execPath, node);
  const data = join(directory, "data");
  mkdirSync(data, { mode: 0o700 });
  const identity = process.getuid?.() === 0 ? user() : undefined;
  if (identity !== undefined) chownSync(data, identity.uid, identity.gid);
  const own = { ...environment(), HOST: "127.0.0.1", PORT: "0", DARKROOM_DATA_DIR: data, LOG_LEVEL: "info" };
  return (command: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess => {
    const [program = "", ...args] = command;
    expect(program).toBe("node");
    const child = spawn(node, args, {
      cwd: app,
      env: { ...own, ...env },
      ...identity,
      stdio: ["ignore", "pipe", "pipe"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    return child;
  };
}

async function printed(stream: ChildProcess["stdout"], pattern: RegExp): Promise<string> {
  let all = "";
  for await (const chunk of stream?.iterator({ destroyOnReturn: false }) ?? []) {
    all += chunk;
    const found = pattern.exec(all)?.[1];
    if (found !== undefined) return found;
  }
  throw new Error(`${pattern} was not printed: ${all}`);
}

test("the image and `npm start` start a server with the options that were measured", () => {
  const { scripts } = JSON.parse(readFileSync(join(project, "package.json"), "utf8"));
  const options = nodeOptions.join(" ");
  const settings = Object.entries(allocator).map((pair) => pair.join("="));
  expect(scripts.start).toContain(` node ${options} .cache/server/main.js serve`);
  expect(scripts.start.split(" ")).toEqual(expect.arrayContaining(settings));
  expect(scripts.worker).toContain(` node ${options} .cache/server/main.js worker`);
  expect(listed("ENTRYPOINT").join(" ")).toBe(`node ${options} server/main.js`);
  expect(environment()).toMatchObject(allocator);
});

test("what the Dockerfile copies serves, works, tells of its health and stops in order", {
  timeout: timeoutMs,
}, async () => {
  const start = await container();
  const entry = listed("ENTRYPOINT");
  const health = async (env: Readonly<Record<string, string>>) => {
    const child = start(listed("HEALTHCHECK"), env);
    const [[code], said] = await Promise.all([once(child, "exit"), child.stderr === null ? "" : text(child.stderr)]);
    return { code, said };
  };
  const server = start([...entry, ...listed("CMD")]);
  const url = await printed(server.stdout, /listens on (\S+),/);
  const { port } = new URL(url);
  expect(await health({ PORT: port })).toEqual({ code: 0, said: "" });

  const darkroom = connect(url);
  const { credential } = await signIn(darkroom);
  const { jobId } = await submitJob(darkroom, credential, { modelType: "upscale-2x" });
  const ended = await darkroom.jobs.pollImageJob({ jobId, wait }, credential);
  expect(ended.job).toMatchObject({ state: State.SUCCEEDED });

  const worker = start([...entry, "worker"], { DARKROOM_SERVER_URL: url, DARKROOM_WORKER_HEALTH_PORT: "0" });
  const workerPort = await printed(worker.stderr, /"port":(\d+),"msg":"health is told here"/);
  const nowhere = "1";
  expect(await health({ PORT: nowhere, DARKROOM_WORKER_HEALTH_PORT: workerPort })).toEqual({ code: 0, said: "" });
  for (const child of [worker, server]) {
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
  }
  expect(await health({ PORT: port })).toEqual({ code: 1, said: "" });
});
