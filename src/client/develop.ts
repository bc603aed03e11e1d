import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { SubmitImageJobRequestSchema } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { type ImageJob, type ImageJobClient, State, stateName } from "./api.ts";
import { silenceMaxMs, unlessSilent, within } from "./call.ts";
import { DevelopError } from "./errors.ts";
import { bytesOf, type DevelopedPicture, fetchPicture, type Picture } from "./pictures.ts";
import { retry } from "./retry.ts";
import { snapshots } from "./watch.ts";

export interface Progress {
  /** `uploading`, then the job's state: `queued`, `running`, `succeeded`, … */
  readonly stage: string;
  /** 0 to 1, of the current attempt. */
  readonly progress: number;
  /** Once it was accepted. */
  readonly job?: ImageJob;
}

export interface WaitOptions {
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What is left out is the server's choice. */
export interface DevelopOptions extends WaitOptions {
  /** A name from `jobs.listModels`. */
  readonly model?: string | undefined;
  /** How far from the original: 0 to 1. */
  readonly strength?: number | undefined;
  /** How closely to follow the prompt: 0 to 30. */
  readonly promptGuidance?: number | undefined;
  /** Makes what is random repeatable: 0 to 4294967295. */
  readonly seed?: number | undefined;
  /** 1 to 4 pictures. */
  readonly imageCount?: number | undefined;
  /** When to give up: at most 7 days ahead. */
  readonly deadline?: Date | undefined;
}

export interface Developed {
  readonly job: ImageJob;
  /** The first of `pictures`. */
  readonly picture: DevelopedPicture;
  readonly pictures: readonly DevelopedPicture[];
}

/** Bytes in a millisecond: the slowest line that a picture may be sent by. */
const slowestLine = 16;
const cancelFailuresMax = 3;

/** Uploads, submits, watches and fetches. Once `signal` aborts, the job is cancelled and the signal's reason thrown. */
export async function develop(
  jobs: ImageJobClient,
  picture: Picture,
  prompt: string,
  options: DevelopOptions = {},
): Promise<Developed> {
  const { signal } = options;
  const wanted = wish(prompt, options);
  options.onProgress?.({ stage: "uploading", progress: 0 });
  const data = await bytesOf(picture);
  const uploadMs = silenceMaxMs + Math.ceil(data.length / slowestLine);
  const { image } = await retry(() => jobs.uploadImage({ data }, within(signal, uploadMs)), signal);
  const jobId = await submit(jobs, { ...wanted, imageId: image?.id ?? "" }, signal);
  try {
    return await result(jobs, jobId, options);
  } catch (error) {
    if (signal?.aborted) await cancel(jobs, jobId);
    throw error;
  }
}

/** Waits until the job has ended, and fetches its pictures. Rejects with `DevelopError` when it has none. */
export async function result(
  jobs: ImageJobClient,
  jobId: string,
  { signal, onProgress }: WaitOptions = {},
): Promise<Developed> {
  const job = await ended(jobs, jobId, { signal, onProgress });
  if (job.state !== State.SUCCEEDED) throw new DevelopError(job);
  const pictures: DevelopedPicture[] = [];
  for (const id of job.outputImageIds) pictures.push(await retry(() => fetchPicture(jobs, id, signal), signal));
  const [picture] = pictures;
  if (picture === undefined) throw new DevelopError(job);
  return { job, picture, pictures };
}

async function ended(jobs: ImageJobClient, jobId: string, { signal, onProgress }: WaitOptions): Promise<ImageJob> {
  let last: ImageJob | undefined;
  for await (const job of snapshots(jobs, jobId, signal)) {
    onProgress?.({ stage: stateName(job.state), progress: job.progress, job });
    last = job;
  }
  if (last === undefined) throw new Error("the server sent no job");
  return last;
}

type Wish = MessageInitShape<typeof SubmitImageJobRequestSchema>;

/** The request without the picture. Refuses values that no request can carry: sending them would look like a broken connection. */
function wish(prompt: string, options: DevelopOptions): Wish {
  const { model = "", strength, promptGuidance, seed, imageCount } = options;
  const deadline = options.deadline && timestampFromDate(options.deadline);
  const chosen = { strength, promptGuidance, seed, imageCount, deadline };
  const wanted = { prompt, modelType: model, ...chosen, requestId: randomId() };
  try {
    toBinary(SubmitImageJobRequestSchema, create(SubmitImageJobRequestSchema, wanted));
  } catch (error) {
    throw ConnectError.from(error, Code.InvalidArgument);
  }
  return wanted;
}

/** Not cut short by `signal`: a job whose id is not known could not be cancelled. */
async function submit(jobs: ImageJobClient, wanted: Wish, signal: AbortSignal | undefined): Promise<string> {
  const { job } = await retry(() => jobs.submitImageJob(wanted, unlessSilent), signal);
  return job?.id ?? "";
}

/** Cancels the job if it can: a job that ended first needs no cancelling, and one out of reach ends by its deadline. */
async function cancel(jobs: ImageJobClient, jobId: string): Promise<void> {
  const call = () => jobs.cancelImageJob({ jobId }, unlessSilent);
  await retry(call, undefined, cancelFailuresMax).catch(() => {});
}

/** `crypto.randomUUID` is missing in pages that did not come by HTTPS. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
