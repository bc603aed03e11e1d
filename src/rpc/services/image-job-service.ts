import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { ImageJobService } from "../../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { confirmation } from "../../core/admission/confirmation.ts";
import type { UseCases } from "../../core/use-cases.ts";
import { timeLimit } from "../../helpers/time-limit.ts";
import { ownerOf, principalOf } from "../../model/call.ts";
import { hasEnded } from "../../model/image-job.ts";
import { ownerIdOf } from "../../model/principal.ts";
import { hourMs } from "../../model/time.ts";
import { callOf } from "../call.ts";
import { fromDuration, fromStates, fromTimestamp, toImage, toImageJob } from "./convert.ts";
import { cutShort } from "./cut-short.ts";
import { deadLetterCalls } from "./dead-letter-calls.ts";
import { inTurns } from "./in-turns.ts";

/** How long one stream lives; a caller that still watches then resumes. */
const watchMaxMs = hourMs;

export function imageJobService(core: UseCases): ServiceImpl<typeof ImageJobService> {
  const ownerId = (context: HandlerContext) => ownerIdOf(ownerOf(callOf(context)));
  const inTurn = inTurns(core);

  return {
    async uploadImage({ data }, context) {
      const upload = core.images.upload(once(data), principalOf(callOf(context)));
      callOf(context).bodyRoom?.keepFor(upload);
      return { image: toImage(await upload) };
    },

    async submitImageJob(request, context) {
      const { imageId, prompt, promptGuidance, strength, modelType, seed, imageCount, requestId } = request;
      const deadline = fromTimestamp("deadline", request.deadline);
      const wanted = { imageId, prompt, promptGuidance, strength, modelType, seed, imageCount, deadline, requestId };
      return { job: toImageJob(await core.jobs.submit(wanted, ownerId(context))) };
    },

    async pollImageJob({ jobId, wait }, context) {
      const waitMs = fromDuration("wait", wait);
      // `context.signal` is built when it is read, which takes as long as reading the job.
      if (waitMs === 0) return { job: toImageJob(await core.jobs.get(jobId, ownerId(context))) };
      const job = await core.jobs.poll(jobId, ownerId(context), waitMs, context.signal);
      await core.authentication.confirm(principalOf(callOf(context)));
      return { job: toImageJob(job) };
    },

    async *watchImageJob({ jobId, afterVersion }, context) {
      using confirmed = confirmation(core.authentication, principalOf(callOf(context)));
      using limit = timeLimit(watchMaxMs);
      const signal = AbortSignal.any([context.signal, confirmed.signal, limit.signal]);
      let ended = false;
      for await (const job of core.jobs.watch(jobId, ownerId(context), Number(afterVersion), signal)) {
        ended = hasEnded(job);
        yield { job: toImageJob(job) };
      }
      if (confirmed.signal.aborted) throw confirmed.signal.reason;
      if (!ended) throw cutShort(context.signal, "the watch ends here; call again with the last version");
    },

    listImageJobs: inTurn(async ({ pageSize, pageToken, states }, context) => {
      const page = await core.jobs.list(ownerId(context), { pageSize, pageToken, states: fromStates(states) });
      return { jobs: page.items.map(toImageJob), nextPageToken: page.nextPageToken };
    }),

    async cancelImageJob({ jobId }, context) {
      return { job: toImageJob(await core.jobs.cancel(jobId, ownerId(context))) };
    },

    async *getImage({ imageId }, context) {
      const { image, bytes } = await core.images.open(imageId, principalOf(callOf(context)));
      let first = true;
      for await (const data of bytes) {
        yield first ? { image: toImage(image), data } : { data };
        first = false;
      }
    },

    async getUsage(wanted, context) {
      const days = await core.usage.list(ownerOf(callOf(context)), wanted);
      return {
        days: days.map(({ date, count }) => ({ date, requestCount: count })),
        dailyLimit: core.usage.dailyRequests ?? 0,
      };
    },

    listModels() {
      const models = core.jobs.models();
      return { models: models.map((model, index) => ({ ...model, isDefault: index === 0 })) };
    },

    ...deadLetterCalls(core),
  };
}

async function* once(data: Uint8Array): AsyncGenerator<Uint8Array> {
  yield data;
}
