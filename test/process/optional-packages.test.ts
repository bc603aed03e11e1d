import { cpSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { State } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { connect } from "../../src/client/index.ts";
import { runServer } from "../support/process.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { signIn } from "../support/server.ts";

const root = join(import.meta.dirname, "../..");

/** This project as it is where the packages of these scopes could not be installed. */
function copyWithout(scopes: readonly string[]): string {
  const copy = scratchDirectory();
  for (const part of ["src", "gen", "package.json"]) cpSync(join(root, part), join(copy, part), { recursive: true });
  mkdirSync(join(copy, "node_modules"));
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (!scopes.includes(name)) symlinkSync(join(root, "node_modules", name), join(copy, "node_modules", name));
  }
  return copy;
}

test.each([[["@tensorflow", "@upscalerjs"]], [["@upscalerjs"]]])(
  "without %s a server and its worker start, and there is no upscale-2x",
  async (scopes) => {
    const copy = copyWithout(scopes);
    const { url } = await runServer(scratchDirectory(), {}, join(copy, "src/main.ts"));
    const darkroom = connect(url);
    const { jobs } = darkroom;
    const { credential } = await signIn(darkroom);
    const { models } = await jobs.listModels({}, credential);
    expect(models.map(({ name }) => name)).toEqual(["studio"]);

    const data = await sharp({ create: { width: 40, height: 30, channels: 3, background: "teal" } })
      .png()
      .toBuffer();
    const { image } = await jobs.uploadImage({ data }, credential);
    const imageId = image?.id ?? "";
    const refused = await jobs
      .submitImageJob({ imageId, prompt: "sepia", modelType: "upscale-2x" }, credential)
      .catch((error: unknown) => error);
    expect(String(refused)).toMatch(/model_type: must be one of: studio$/);
    const { job } = await jobs.submitImageJob({ imageId, prompt: "sepia" }, credential);
    const polled = await jobs.pollImageJob({ jobId: job?.id ?? "", wait: { seconds: 60n } }, credential);
    expect(polled.job?.state).toBe(State.SUCCEEDED);
  },
);
