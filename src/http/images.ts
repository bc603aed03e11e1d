import { Readable } from "node:stream";
import multipart from "@fastify/multipart";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Images, StoredImage } from "../core/images.ts";
import { DomainError, invalidField } from "../model/errors.ts";
import { type ImageType, imageMaxBytes } from "../model/image.ts";
import { principalOf } from "./caller.ts";
import { downloading, uploading } from "./image-schemas.ts";

const extensions: Readonly<Record<ImageType, string>> = {
  "image/jpeg": "jpg",
  "image/png": "png",
  "image/webp": "webp",
};
const rawTypes = ["application/octet-stream", "image/jpeg", "image/png", "image/webp"];
/** One more than a picture may have, so that the rule, not the parser, says that it is too large. */
const multipartLimits = { files: 1, fields: 8, parts: 9, fileSize: imageMaxBytes + 1, fieldSize: 4096 };

/** Pictures in and out by plain HTTP, streamed both ways. */
export async function addImageRoutes(app: FastifyInstance, images: Images): Promise<void> {
  await app.register(multipart, { limits: multipartLimits, throwFileSizeLimit: false });
  // The body stays a stream.
  app.addContentTypeParser(rawTypes, (_request, payload, done) => done(null, payload));

  app.post("/images", { schema: uploading, validatorCompiler: asTheyCome }, async (request, reply) => {
    const image = await images.upload(await pictureOf(request), principalOf(request));
    return reply.code(201).header("location", `/download/${image.id}`).send({ uuid: image.id });
  });

  app.get<{ Params: { uuid: string } }>("/download/:uuid", { schema: downloading }, async (request, reply) => {
    return sendImage(reply, await images.open(request.params.uuid, principalOf(request)));
  });
}

export function sendImage(reply: FastifyReply, { image, bytes }: StoredImage): FastifyReply {
  if (image.size !== null) reply.header("content-length", image.size);
  return reply
    .type(image.type)
    .header("content-disposition", `inline; filename="${image.id}.${extensions[image.type]}"`)
    .header("cache-control", "private, max-age=3600")
    .header("content-security-policy", "default-src 'none'; sandbox")
    .send(Readable.from(bytes, { objectMode: false }));
}

/** Streams are checked while they are read. */
const asTheyCome = () => () => true;

async function pictureOf(request: FastifyRequest): Promise<AsyncIterable<Uint8Array>> {
  if (request.isMultipart()) {
    const part = await request.file().catch((cause: unknown) => {
      throw new DomainError("invalid_argument", "FORM_MALFORMED", "the multipart form cannot be read", { cause });
    });
    if (part === undefined) throw invalidField("data", "must be a file in the multipart form");
    return received(part.file);
  }
  if (request.body instanceof Readable) return received(request.body);
  throw new DomainError("invalid_argument", "BODY_MISSING", "the body must be the picture's bytes or a multipart form");
}

/** A body that breaks off is its sender's matter. */
async function* received(body: Readable): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    throw new DomainError("invalid_argument", "BODY_CUT_OFF", "the body ended before it was whole", { cause });
  }
}
