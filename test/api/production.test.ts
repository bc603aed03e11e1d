import { expect, onTestFinished, test } from "vitest";
import { State } from "../../src/client/index.ts";
import { describeOnFerretdb } from "../support/ferretdb.ts";
import { smallPicture } from "../support/pictures.ts";
import { serve, signIn } from "../support/server.ts";
import { Broker } from "../support/service-bus-broker/broker.ts";

const wait = { seconds: 60n };

describeOnFerretdb("two servers on the engines of production", (ferretdb) => {
  async function serveTwice() {
    const broker = new Broker({ queues: ["darkroom-jobs", "darkroom-results"] });
    await broker.start();
    onTestFinished(() => broker.stop());
    const env = {
      MONGODB_URI: ferretdb.uri,
      MONGODB_DATABASE: `test-${crypto.randomUUID()}`,
      AZURE_SERVICEBUS_CONNECTION_STRING: broker.connectionString,
    };
    return { here: await serve(env), there: await serve(env, { worker: false }) };
  }

  test("give fifty pollers of fifty jobs each its own, asked at the other one", async () => {
    const { here, there } = await serveTwice();
    const { credential } = await signIn(here);
    const { image } = await here.jobs.uploadImage({ data: await smallPicture() }, credential);
    const polled = Array.from({ length: 50 }, async (_, index) => {
      const [one, other] = index % 2 === 0 ? [here, there] : [there, here];
      const submission = { imageId: image?.id ?? "", prompt: "sepia" };
      const jobId = (await one.jobs.submitImageJob(submission, credential)).job?.id ?? "";
      for (;;) {
        const { job } = await other.jobs.pollImageJob({ jobId, wait }, credential);
        if (job?.state !== State.QUEUED && job?.state !== State.RUNNING) return [job?.id === jobId, job?.state];
      }
    });
    expect(await Promise.all(polled)).toEqual(polled.map(() => [true, State.SUCCEEDED]));
  }, 180_000);

  test("watch and cancel a job that the other has", async () => {
    const { here, there } = await serveTwice();
    const { credential } = await signIn(here);
    const { image } = await here.jobs.uploadImage({ data: await smallPicture() }, credential);
    const submission = { imageId: image?.id ?? "", prompt: "sepia with grain", imageCount: 4 };
    const jobId = (await here.jobs.submitImageJob(submission, credential)).job?.id ?? "";
    const states: State[] = [];
    for await (const { job } of there.jobs.watchImageJob({ jobId }, credential)) states.push(job?.state ?? 0);
    expect(states.at(-1)).toBe(State.SUCCEEDED);
    const next = (await there.jobs.submitImageJob(submission, credential)).job?.id ?? "";
    // It may have come first; what one says of it, both say.
    const { job: cancelled } = await here.jobs.cancelImageJob({ jobId: next }, credential);
    const { job } = await there.jobs.pollImageJob({ jobId: next }, credential);
    expect(job).toEqual(cancelled);
    expect(job?.endTime).toBeDefined();
  });
});
