import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { access, constants, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createDarkroom, type DarkroomClient, DevelopError, describe, type Image } from "../client/index.ts";
import { UserError } from "../user-error.ts";
import { progressBar } from "./progress-bar.ts";
import { drawSamplePicture } from "./sample-picture.ts";

export interface DemoOptions {
  readonly picture: string | undefined;
  readonly prompt: string;
  readonly model?: string;
  readonly strength: number;
  readonly out?: string;
}

export interface DemoSurroundings {
  /** Where the user is: paths are relative to it. */
  readonly directory: string;
  readonly isTerminal: boolean;
  print(text: string): void;
  /** Starts a server with these settings and no others. */
  startServer(env: Readonly<Record<string, string>>): ChildProcess;
  /** The listener is called for each signal: the terminal and npm each send one. */
  onInterrupt(listener: () => void): void;
}

const extensions: Readonly<Record<string, string>> = { "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp" };

const faults: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  EISDIR: "it is a folder",
  EACCES: "you have no right to it",
};

/** Starts a server as its users would, and is its client: signs up, logs in, uploads, submits, watches, saves. */
export async function runDemo(options: DemoOptions, surroundings: DemoSurroundings): Promise<void> {
  const out = resolve(surroundings.directory, options.out ?? "darkroom-demo.jpg");
  // What could not be saved is refused before the work, not after it.
  await access(dirname(out), constants.W_OK).catch(fault(`${out}: cannot be written`));
  const picture = await loadPicture(options.picture, surroundings);
  const scratch = await mkdtemp(join(tmpdir(), "darkroom-demo-"));
  const server = surroundings.startServer({
    HOST: "127.0.0.1",
    PORT: "0",
    DARKROOM_DATA_DIR: scratch,
    LOG_LEVEL: "error",
    // The demo is the only caller, and may keep the machine busy.
    DARKROOM_SHED_AFTER_MS: "60000",
  });
  const gone = new AbortController();
  const exited = new Promise((ended) => server.once("exit", ended));
  exited.then(() => gone.abort(new UserError("the server has ended")));
  let interrupted = false;
  surroundings.onInterrupt(() => {
    interrupted = true;
    server.kill("SIGTERM");
  });
  try {
    await develop(createDarkroom(await addressOf(server)), picture, options, surroundings, gone.signal);
  } catch (error) {
    if (interrupted) throw new UserError("interrupted");
    if (error instanceof DevelopError) throw new UserError(error.message);
    throw error instanceof UserError ? error : new UserError(`${options.picture ?? "the sample"}: ${describe(error)}`);
  } finally {
    server.kill("SIGTERM");
    await exited;
    await rm(scratch, { recursive: true, force: true });
  }
}

async function develop(
  darkroom: DarkroomClient,
  bytes: Uint8Array,
  options: DemoOptions,
  { print, isTerminal, directory }: DemoSurroundings,
  signal: AbortSignal,
): Promise<void> {
  const started = performance.now();
  const username = `guest-${randomBytes(4).toString("hex")}`;
  await darkroom.signUp({ username, password: randomBytes(12).toString("base64url") });
  print(`Signed up and logged in as ${username}\n`);

  const { image } = await darkroom.jobs.uploadImage({ data: bytes });
  if (image === undefined) throw new UserError("the server did not say what it stored");
  print(`Uploaded ${describeImage(image)}\n`);

  const { prompt, model = "", strength } = options;
  const submitted = await darkroom.jobs.submitImageJob({ imageId: image.id, prompt, modelType: model, strength });
  const bar = progressBar(print, isTerminal);
  const { job, picture } = await darkroom
    .result(submitted.job?.id ?? "", { signal, onProgress: ({ stage, progress }) => bar.show(progress, stage) })
    .finally(() => bar.end());

  const out = resolve(directory, options.out ?? `darkroom-demo.${extensions[picture.image.contentType]}`);
  await save(out, picture.bytes);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  print(`Saved ${out}: ${describeImage(picture.image)}\n`);
  print(`Done by ${job.modelType} in ${seconds} s at strength ${job.strength}, with the prompt: ${job.prompt}\n`);
}

async function loadPicture(path: string | undefined, { directory, print }: DemoSurroundings): Promise<Uint8Array> {
  if (path === undefined) {
    const sample = await drawSamplePicture();
    const before = join(directory, "darkroom-demo-before.jpg");
    await save(before, sample);
    print(`Drew a sample picture: ${before}\n`);
    return sample;
  }
  return readFile(resolve(directory, path)).catch(fault(`${path}: cannot be read`));
}

async function save(path: string, bytes: Uint8Array): Promise<void> {
  await writeFile(path, bytes).catch(fault(`${path}: cannot be written`));
}

/** Tells a person what failed, and why by the code of Node's error. */
function fault(what: string): (error: NodeJS.ErrnoException) => never {
  return ({ code = "" }) => {
    throw new UserError(`${what}: ${faults[code] ?? code}`);
  };
}

/** The address in the server's first line. */
async function addressOf(server: ChildProcess): Promise<string> {
  let text = "";
  for await (const chunk of server.stdout ?? []) {
    text += chunk;
    const address = /listens on (\S+),/.exec(text)?.[1];
    if (address !== undefined) return address;
  }
  throw new UserError("the server did not start");
}

function describeImage({ width, height, sizeBytes, contentType }: Image): string {
  return `${width} × ${height} pixels, ${Math.ceil(Number(sizeBytes) / 1024)} KiB, ${contentType}`;
}
