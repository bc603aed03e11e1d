import { setImmediate } from "node:timers/promises";
import { DomainError, invalidField, isNotFound } from "../../model/errors.ts";
import type { ImageJob } from "../../model/image-job.ts";
import { redrive, type Timing } from "../../model/job-life.ts";
import {
  type Cursor,
  decodeCursor,
  decodeKey,
  encodeCursor,
  encodeKey,
  invalidPageToken,
  pageOf,
  pageSize,
} from "../../model/page.ts";
import type { Clock } from "../../ports/clock.ts";
import type { NumberedDeadLetter, Queue } from "../../ports/queue.ts";
import type { Images } from "../images/images.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { JobRecords } from "./job-records.ts";
import { isOwnerGone, type Owners } from "./owners.ts";

/** Where something that was given up lies: in the database, or in the result queue. */
export type DeadSource = "job" | "result";

export type DeadLetter =
  | { readonly source: "job"; readonly job: ImageJob }
  | { readonly source: "result"; readonly message: NumberedDeadLetter };

interface Wanted {
  /** Both when undefined: the jobs first. */
  readonly source: DeadSource | undefined;
  readonly pageToken: string;
}

/** How many dead letters one call sends again or discards, and of them how many are read, or jobs sent, at a time. */
const atOnceMax = 1000;
const readMax = 100;
const together = 20;

interface DeadLettersDeps extends Owners {
  readonly records: JobRecords;
  readonly resultQueue: Queue;
  readonly images: Images;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly timing: Timing;
}

/** Jobs and results that were given up, for administrators to list, to send again and to discard. */
export class DeadLetters {
  readonly #deps: DeadLettersDeps;

  constructor(deps: DeadLettersDeps) {
    this.#deps = deps;
  }

  async list(wanted: Wanted & { readonly pageSize: number }) {
    return this.#page(wanted, pageSize(wanted.pageSize));
  }

  async redrive(source: DeadSource, id: string): Promise<void> {
    if (source === "job") return this.#redriveJob(id);
    const wasThere = isNumber(id) && (await this.#redriveResults([id])) === 1;
    if (!wasThere) throw new DomainError("not_found", "DEAD_LETTER_NOT_FOUND", "there is no such dead letter");
  }

  /** What cannot be sent again is skipped. */
  async redriveAll(wanted: Wanted): Promise<{ redriven: number; skipped: number; nextPageToken: string }> {
    const { ids, numbers, nextPageToken } = await this.#thoseOf(wanted);
    let redriven = 0;
    for (let from = 0; from < ids.length; from += together) {
      const done = await Promise.all(ids.slice(from, from + together).map((id) => this.#tryRedriveJob(id)));
      redriven += done.filter(Boolean).length;
      await setImmediate();
    }
    if (numbers.length > 0) redriven += await this.#redriveResults(numbers);
    return { redriven, skipped: ids.length + numbers.length - redriven, nextPageToken };
  }

  /** Deletes results by their numbers; resolves to how many there were. Jobs are deleted by the sweeper. */
  async discard(numbers: readonly string[]): Promise<number> {
    if (numbers.length === 0 || numbers.length > atOnceMax || !numbers.every(isNumber))
      throw invalidField("ids", `must be 1 to ${atOnceMax} numbers of results`);
    return orUnavailable(this.#deps.resultQueue.discard(numbers));
  }

  /** Reads a few at a time: an embedded store reads at once, and all in one go would keep calls waiting. */
  async #thoseOf(wanted: Wanted): Promise<{ ids: string[]; numbers: string[]; nextPageToken: string }> {
    const ids: string[] = [];
    const numbers: string[] = [];
    let { pageToken } = wanted;
    do {
      const { items, nextPageToken } = await this.#page({ ...wanted, pageToken }, readMax);
      for (const letter of items) {
        if (letter.source === "job") ids.push(letter.job.id);
        else numbers.push(letter.message.number);
      }
      pageToken = nextPageToken;
      await setImmediate();
    } while (pageToken !== "" && ids.length + numbers.length < atOnceMax);
    return { ids, numbers, nextPageToken: pageToken };
  }

  async #page({ source, pageToken }: Wanted, size: number) {
    const from = decodePlace(pageToken);
    if (from !== undefined && source !== undefined && from.source !== source) throw foreignToken();
    const limit = size + 1;
    const jobs = source === "result" || from?.source === "result" ? [] : await this.#jobs(from?.after, limit);
    const number = from?.source === "result" ? from.number : undefined;
    const results = source === "job" ? [] : await this.#results(number, limit - jobs.length);
    return pageOf<DeadLetter>([...jobs, ...results], size, encodePlace);
  }

  async #jobs(after: Cursor | undefined, limit: number): Promise<DeadLetter[]> {
    const jobs = await this.#deps.records.store.listDead(after, limit);
    return jobs.map((job) => ({ source: "job", job }));
  }

  async #results(after: string | undefined, limit: number): Promise<DeadLetter[]> {
    if (limit === 0) return [];
    const messages = await orUnavailable(this.#deps.resultQueue.listDeadLetters(after, limit));
    return messages.map((message) => ({ source: "result", message }));
  }

  async #redriveJob(id: string): Promise<void> {
    const { records, images, dispatcher, clock, timing } = this.#deps;
    const now = clock();
    const job = await records.get(id);
    const { inputImageId, ownerId, deadline } = redrive(job, now, timing);
    if (await isOwnerGone(ownerId, this.#deps)) throw ownerGone();
    await images.reserve(inputImageId, ownerId, deadline + timing.keepMs).catch((error: unknown) => {
      throw isNotFound(error) ? pictureGone() : error;
    });
    dispatcher.dispatch(await records.change(job, (current) => redrive(current, now, timing)));
  }

  #redriveResults(numbers: readonly string[]): Promise<number> {
    return orUnavailable(this.#deps.resultQueue.redrive(numbers));
  }

  async #tryRedriveJob(id: string): Promise<boolean> {
    try {
      await this.#redriveJob(id);
      return true;
    } catch (error) {
      if (error instanceof DomainError && ["not_found", "failed_precondition"].includes(error.code)) return false;
      throw error;
    }
  }
}

/** The place of a page's last dead letter, as the page token encodes it. */
type Place =
  | { readonly source: "job"; readonly after: Cursor | undefined }
  | { readonly source: "result"; readonly number: string };

function encodePlace(letter: DeadLetter): string {
  return encodeKey(letter.source === "job" ? `job ${encodeCursor(letter.job)}` : `result ${letter.message.number}`);
}

function decodePlace(token: string): Place | undefined {
  const [source, place = ""] = decodeKey(token)?.split(" ") ?? [];
  if (source === undefined) return undefined;
  if (source === "job" && place !== "") return { source, after: decodeCursor(place) };
  if (source === "result" && isNumber(place)) return { source, number: place };
  throw foreignToken();
}

/** Whether the text is a queue's message number: 64 bits at most. */
function isNumber(text: string): boolean {
  return /^(0|[1-9]\d{0,18})$/.test(text);
}

function foreignToken(): DomainError {
  return invalidPageToken(", of the same source");
}

function ownerGone(): DomainError {
  return new DomainError(
    "failed_precondition",
    "OWNER_GONE",
    "the job's owner was deleted: nobody could read its result",
  );
}

function pictureGone(): DomainError {
  const message = "the job's input picture is no longer there: it must be submitted again with another one";
  return new DomainError("failed_precondition", "INPUT_PICTURE_GONE", message);
}

/** Whatever the queue's error was, the caller can only try again later. */
async function orUnavailable<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    const message = "the queue cannot be reached: try again in a moment";
    throw new DomainError("unavailable", "QUEUE_UNAVAILABLE", message, { retryAfterMs: 1000, cause });
  }
}
