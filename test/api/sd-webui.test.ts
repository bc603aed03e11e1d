import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { State } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { fine, type SdWebuiStandIn, startSdWebui } from "../support/sd-webui-server.ts";
import { serve, signIn } from "../support/server.ts";

const credentials = "operator:top-secret";

/** A server with a worker that calls the stand-in, and somebody who submits a job for it. */
async function submitTo(standIn: SdWebuiStandIn, env: Readonly<Record<string, string>> = {}) {
  const server = await serve({ SD_WEBUI_URL: standIn.url, SD_WEBUI_API_AUTH: credentials, ...env });
  const { credential } = await signIn(server);
  const { jobs } = server;
  const picture = await sharp({ create: { width: 96, height: 64, channels: 3, background: "teal" } })
    .jpeg()
    .toBuffer();
  const { image } = await jobs.uploadImage({ data: picture }, credential);
  const wanted = { imageId: image?.id ?? "", prompt: "as if in oil", modelType: "sd-webui", imageCount: 2, seed: 40 };
  const { job } = await jobs.submitImageJob(wanted, credential);
  const jobId = job?.id ?? "";
  return {
    jobs,
    credential,
    jobId,
    ended: async () => (await jobs.pollImageJob({ jobId, wait: { seconds: 60n } }, credential)).job,
  };
}

describe("sd-webui, where its server is configured", () => {
  test("is listed, and makes the job's pictures", async () => {
    const standIn = await startSdWebui(credentials);
    const { jobs, credential, ended } = await submitTo(standIn);
    const { models } = await jobs.listModels({}, credential);
    expect(models.map(({ name, isDefault }) => [name, isDefault])).toEqual([
      ["studio", true],
      ["upscale-2x", false],
      ["sd-webui", false],
    ]);
    const job = await ended();
    expect(job).toMatchObject({ state: State.SUCCEEDED, progress: 1, modelType: "sd-webui" });
    expect(job?.outputImageIds).toHaveLength(2);
    expect(standIn.violations).toEqual([]);
    expect(standIn.asked).toMatchObject([{ prompt: "as if in oil", cfg_scale: 7.5, seed: 40, n_iter: 2 }]);
  });

  test("is interrupted when a running job is cancelled", async () => {
    const standIn = await startSdWebui(credentials);
    const interrupted = standIn.seen("interrupt");
    const begun = standIn.seen("begin");
    standIn.behave(async (response, images) => {
      await interrupted;
      await fine(response, images);
    });
    // A worker that has nothing new to say is told of the cancelling at its next heartbeat, a quarter of a lease later.
    const { jobs, credential, jobId, ended } = await submitTo(standIn, { DARKROOM_LEASE_SECONDS: "2" });
    await begun;
    await jobs.cancelImageJob({ jobId }, credential);
    await interrupted;
    expect((await ended())?.state).toBe(State.CANCELLED);
  });

  test("fails the job in words for its owner", async () => {
    const standIn = await startSdWebui("operator:another");
    const { ended } = await submitTo(standIn);
    const job = await ended();
    expect(job).toMatchObject({ state: State.FAILED, attempt: 1 });
    expect(job?.error?.reason).toBe("IMAGE_SERVER_REFUSED");
    expect(job?.error?.message).not.toMatch(/127\.0\.0\.1|secret/);
  });
});
