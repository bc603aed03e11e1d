import { randomUUID } from "node:crypto";
import sharp from "sharp";
import { bearer, type Darkroom, hasEnded, type ImageJob } from "../../src/client/index.ts";
import { retry } from "../../src/client/retry.ts";
import { studio } from "../../src/worker/engines/studio/studio.ts";

const prompt = "sepia with a vignette";
const seed = 7;
const pollS = 5n;
const againMs = 100;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export interface Submitted {
  readonly jobId: string;
  readonly picture: Uint8Array;
  /** Every ended state that was ever told, as text; more than one is a fault. */
  readonly ends: Set<string>;
  /** How often the submit was repeated for want of an answer. */
  readonly repeats: number;
}

/** A caller that trusts nothing but an acknowledgement, and asks any server. */
export class Client {
  readonly #any: () => Darkroom;
  readonly #credential: ReturnType<typeof bearer>;
  readonly submitted: Submitted[] = [];

  constructor(any: () => Darkroom, token: string) {
    this.#any = any;
    this.#credential = bearer(token);
  }

  /** Submits, and polls to the end, one job after another until told to stop. */
  async work(isOver: () => boolean, colour: () => number): Promise<void> {
    while (!isOver()) {
      const job = await this.submit(colour(), isOver);
      if (job !== undefined) await this.poll(job, isOver);
    }
  }

  /** Undefined when nothing was acknowledged before it was over. */
  async submit(colour: number, isOver: () => boolean): Promise<Submitted | undefined> {
    const picture = await draw(colour);
    const image = await this.#insist(
      (darkroom) => darkroom.jobs.uploadImage({ data: picture }, this.#credential),
      isOver,
    );
    if (image === undefined) return undefined;
    const wanted = { imageId: image.answer.image?.id ?? "", prompt, seed, strength: 1, requestId: randomUUID() };
    const done = await this.#insist((darkroom) => darkroom.jobs.submitImageJob(wanted, this.#credential), isOver);
    if (done === undefined) return undefined;
    const job = { jobId: done.answer.job?.id ?? "", picture, ends: new Set<string>(), repeats: done.tries - 1 };
    this.submitted.push(job);
    return job;
  }

  /** True once the end was told. */
  async poll(job: Submitted, isOver: () => boolean): Promise<ImageJob | undefined> {
    for (;;) {
      const ask = (darkroom: Darkroom) =>
        darkroom.jobs.pollImageJob({ jobId: job.jobId, wait: { seconds: pollS } }, this.#credential);
      const told = (await this.#insist(ask, isOver))?.answer.job;
      if (told === undefined) return undefined;
      if (!hasEnded(told.state)) continue;
      job.ends.add(`${told.state} ${told.outputImageIds.join()} ${told.error?.reason ?? ""}`);
      return told;
    }
  }

  /** Rejects with what does not pass, above all that it is not there. */
  picture(imageId: string): Promise<Uint8Array> {
    return retry(async () => {
      const pieces: Uint8Array[] = [];
      for await (const { data } of this.#any().jobs.getImage({ imageId }, this.#credential)) pieces.push(data);
      return Buffer.concat(pieces);
    });
  }

  /** Asks again, somebody else perhaps, until there is an answer. */
  async #insist<T>(
    call: (darkroom: Darkroom) => Promise<T>,
    isOver: () => boolean,
  ): Promise<{ answer: T; tries: number } | undefined> {
    for (let tries = 1; ; tries++) {
      try {
        return { answer: await call(this.#any()), tries };
      } catch {
        if (isOver()) return undefined;
        await pause(againMs);
      }
    }
  }
}

/** A picture that no other job has. */
function draw(colour: number): Promise<Buffer> {
  const background = { r: colour & 255, g: (colour >> 4) & 255, b: (colour * 7) & 255 };
  return sharp({ create: { width: 16 + (colour % 31), height: 16 + (colour % 29), channels: 3, background } })
    .png()
    .toBuffer();
}

/** What a job's picture must become. */
export async function expectedOf(picture: Uint8Array): Promise<Uint8Array> {
  const task = { picture, prompt, promptGuidance: 7.5, strength: 1, seed, imageCount: 1 };
  const [result] = await studio.develop(task, () => {}, new AbortController().signal);
  return result as Uint8Array;
}
