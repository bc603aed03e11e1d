import { DomainError, notFound } from "../../model/errors.ts";
import { isId } from "../../model/ids.ts";
import { type ImageInfo, imageMaxBytes, imageTooLarge } from "../../model/image.ts";
import type { Principal } from "../../model/principal.ts";
import type { Clock } from "../../ports/clock.ts";
import type { CounterStore } from "../../ports/counter-store.ts";
import type { ImageService } from "../../ports/image-service.ts";
import type { Authentication } from "../admission/authentication.ts";
import { whileConfirmed } from "../admission/confirmation.ts";
import { ImageInspector } from "./image-inspector.ts";
import type { Images, OpenedImage } from "./images.ts";
import { withinJobLimit } from "./job-uploads.ts";

interface ServiceImagesDeps {
  readonly service: ImageService;
  readonly counters: CounterStore;
  readonly authentication: Pick<Authentication, "confirm">;
  readonly clock: Clock;
}

/**
 * Pictures at an image service. The service knows of no owners, so knowing an id is the right to the picture, and it
 * alone decides how long it keeps one. Its pictures are inspected like those of callers.
 */
export class ServiceImages implements Images {
  readonly #deps: ServiceImagesDeps;

  constructor(deps: ServiceImagesDeps) {
    this.#deps = deps;
  }

  upload(bytes: AsyncIterable<Uint8Array>, by: Principal): Promise<ImageInfo> {
    return withinJobLimit(bytes, by, this.#deps, (counted) => this.#store(counted, by));
  }

  async open(id: string, by: Principal): Promise<OpenedImage> {
    const { service, authentication } = this.#deps;
    const mayRead = by.kind !== "job" || id === by.inputImageId;
    const found = isId(id) && mayRead ? await service.fetch(id) : undefined;
    if (found === undefined) throw notFound("image");
    const inspector = new ImageInspector();
    const bytes = await begun(inspector, blamed(inspector.pass(whileConfirmed(found.bytes, by, authentication))));
    if (found.size !== null && found.size > imageMaxBytes) {
      await bytes.return?.();
      throw noPicture(imageTooLarge());
    }
    return { image: { ...inspector.result, id, size: found.size, createdAt: null, expiresAt: null }, bytes };
  }

  async #store(bytes: AsyncIterable<Uint8Array>, by: Principal): Promise<ImageInfo> {
    const inspector = new ImageInspector();
    const picture = await begun(inspector, inspector.pass(this.#confirmed(bytes, by)));
    const { service, clock } = this.#deps;
    const id = await service.store(inspector.result.type, picture);
    return { ...inspector.result, id, createdAt: clock(), expiresAt: null };
  }

  /** The same bytes; breaks off before their end for a caller whose account was deleted meanwhile. */
  async *#confirmed(bytes: AsyncIterable<Uint8Array>, by: Principal): AsyncGenerator<Uint8Array> {
    yield* bytes;
    await this.#deps.authentication.confirm(by);
  }

  /** The picture itself is not looked for: a job is accepted while the service is away, and fails later if there is none. */
  async reserve(id: string): Promise<void> {
    if (!isId(id)) throw notFound("image");
  }

  async adopt(): Promise<boolean> {
    return true;
  }

  /** It knows of no owners. */
  async deleteOf(): Promise<void> {}

  async sweep(): Promise<void> {}
}

/** Reads until the picture's header has passed. Resolves to all the bytes, from the first on. */
async function begun(
  inspector: ImageInspector,
  bytes: AsyncGenerator<Uint8Array>,
): Promise<AsyncIterableIterator<Uint8Array>> {
  const head: Uint8Array[] = [];
  while (!inspector.hasHeader) {
    const { value, done } = await bytes.next();
    if (done) break;
    head.push(value);
  }
  // No generator: if nobody asked it for a first piece, its `return` would not end `bytes`.
  const whole: AsyncIterableIterator<Uint8Array> = {
    async next() {
      const value = head.shift();
      return value === undefined ? bytes.next() : { value, done: false };
    },
    return: () => bytes.return(undefined),
    [Symbol.asyncIterator]: () => whole,
  };
  return whole;
}

/**
 * Turns a broken rule into `not_found`: such bytes are no picture for anybody. The last piece is held back until the
 * whole picture has passed, so whoever got all the bytes that were announced has a valid picture.
 */
async function* blamed(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    let last: Uint8Array | undefined;
    for await (const piece of bytes) {
      if (last !== undefined) yield last;
      last = piece;
    }
    if (last !== undefined) yield last;
  } catch (error) {
    throw error instanceof DomainError && error.code === "invalid_argument" ? noPicture(error) : error;
  }
}

function noPicture(cause: DomainError): DomainError {
  const rules = cause.violations.map(({ rule }) => rule).join("; ");
  const message = `what the image service has there cannot be used: it ${rules}`;
  return new DomainError("not_found", notFound("image").reason, message, { cause });
}
