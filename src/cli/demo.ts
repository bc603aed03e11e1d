import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  bearer,
  connect,
  type Darkroom,
  describe,
  type Image,
  type ImageJob,
  State,
  stateName,
} from "../client/index.ts";
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
  startServer(env: Readonly<Record<string, string>>): ChildProcess;
  onInterrupt(listener: () => void): void;
}

const extensions: Readonly<Record<string, string>> = { "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp" };

/** Starts a server as its users would, and is its client: signs up, logs in, uploads, submits, watches, saves. */
export async function runDemo(options: DemoOptions, surroundings: DemoSurroundings): Promise<void> {
  const picture = await loadPicture(options.picture, surroundings);
  const scratch = await mkdtemp(join(tmpdir(), "darkroom-demo-"));
  const server = surroundings.startServer({
    HOST: "127.0.0.1",
    PORT: "0",
    DARKROOM_DATA_DIR: scratch,
    LOG_LEVEL: "error",
  });
  const exited = new Promise((ended) => server.once("exit", ended));
  surroundings.onInterrupt(() => server.kill("SIGTERM"));
  try {
    const darkroom = connect(await addressOf(server));
    await develop(darkroom, picture, options, surroundings);
  } catch (error) {
    throw error instanceof UserError ? error : new UserError(`${options.picture ?? "the sample"}: ${describe(error)}`);
  } finally {
    server.kill("SIGTERM");
    await exited;
    await rm(scratch, { recursive: true, force: true });
  }
}

async function develop(
  darkroom: Darkroom,
  picture: Uint8Array,
  options: DemoOptions,
  { print, isTerminal, directory }: DemoSurroundings,
): Promise<void> {
  const started = performance.now();
  const username = `guest-${randomBytes(4).toString("hex")}`;
  const password = randomBytes(12).toString("base64url");
  await darkroom.auth.signUp({ username, password });
  const { tokens } = await darkroom.auth.login({ identity: username, password });
  const credential = bearer(tokens?.accessToken ?? "");
  print(`Signed up and logged in as ${username}\n`);

  const { image } = await darkroom.jobs.uploadImage({ data: picture }, credential);
  if (image === undefined) throw new UserError("the server did not say what it stored");
  print(`Uploaded ${describeImage(image)}\n`);

  const { prompt, model = "", strength } = options;
  const submitted = await darkroom.jobs.submitImageJob(
    { imageId: image.id, prompt, modelType: model, strength },
    credential,
  );
  const bar = progressBar(print, isTerminal);
  let job: ImageJob | undefined;
  for await (const change of darkroom.jobs.watchImageJob({ jobId: submitted.job?.id ?? "" }, credential)) {
    job = change.job;
    bar.show(job?.progress ?? 0, stateName(job?.state ?? State.UNSPECIFIED));
  }
  bar.end();
  if (job?.state !== State.SUCCEEDED) throw new UserError(job?.error?.message ?? "the job did not end");

  const result = await fetchImage(darkroom, job.outputImageIds[0] ?? "", credential);
  const out = resolve(directory, options.out ?? `darkroom-demo.${extensions[result.image.contentType]}`);
  await save(out, result.bytes);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  print(`Saved ${out}: ${describeImage(result.image)}\n`);
  print(`Done by ${job.modelType} in ${seconds} s at strength ${job.strength}, with the prompt: ${job.prompt}\n`);
}

async function fetchImage(darkroom: Darkroom, imageId: string, credential: ReturnType<typeof bearer>) {
  let image: Image | undefined;
  const pieces: Uint8Array[] = [];
  for await (const piece of darkroom.jobs.getImage({ imageId }, credential)) {
    image ??= piece.image;
    pieces.push(piece.data);
  }
  if (image === undefined) throw new UserError("the server sent no picture");
  return { image, bytes: Buffer.concat(pieces) };
}

async function loadPicture(path: string | undefined, { directory, print }: DemoSurroundings): Promise<Uint8Array> {
  if (path === undefined) {
    const sample = await drawSamplePicture();
    const before = join(directory, "darkroom-demo-before.jpg");
    await save(before, sample);
    print(`Drew a sample picture: ${before}\n`);
    return sample;
  }
  try {
    return await readFile(resolve(directory, path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(`${path}: ${code === "ENOENT" ? "there is no such file" : `cannot be read (${code})`}`);
  }
}

async function save(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeFile(path, bytes);
  } catch (error) {
    throw new UserError(`${path}: cannot be written (${(error as NodeJS.ErrnoException).code})`);
  }
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
