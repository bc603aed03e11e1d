import { Readable } from "node:stream";
import multipart from "@fastify/multipart";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Files } from "../core/files.ts";
import type { Images } from "../core/images.ts";
import { DomainError, invalidField } from "../model/errors.ts";
import { principalOf } from "./caller.ts";
import { asTheyCome, formLimits, received, unreadableForm } from "./form.ts";
import { downloading, uploading } from "./image-schemas.ts";
import { sendFile, sendImage } from "./sending.ts";

/** Bodies that stay streams. */
export const rawTypes = ["application/octet-stream", "image/jpeg", "image/png", "image/webp"];

/** Pictures in, pictures and other files out by plain HTTP, streamed both ways. */
export async function addImageRoutes(app: FastifyInstance, images: Images, files: Files): Promise<void> {
  await app.register(multipart, { limits: formLimits, throwFileSizeLimit: false });
  app.addContentTypeParser(rawTypes, (_request, payload, done) => done(null, payload));

  app.post("/images", { schema: uploading, validatorCompiler: asTheyCome }, async (request, reply) => {
    const image = await images.upload(await pictureOf(request), principalOf(request));
    return reply.code(201).header("location", `/download/${image.id}`).send({ uuid: image.id });
  });

  app.get<{ Params: { uuid: string } }>("/download/:uuid", { schema: downloading }, async (request, reply) => {
    const { uuid } = request.params;
    const by = principalOf(request);
    try {
      return sendImage(reply, await images.open(uuid, by));
    } catch (error) {
      const isMissing = error instanceof DomainError && error.code === "not_found";
      const file = isMissing ? await files.open(uuid, by) : undefined;
      if (file === undefined) throw error;
      return sendFile(reply, file);
    }
  });
}

async function pictureOf(request: FastifyRequest): Promise<AsyncIterable<Uint8Array>> {
  if (request.isMultipart()) {
    const part = await request.file().catch((cause: unknown) => Promise.reject(unreadableForm(cause)));
    if (part === undefined) throw invalidField("data", "must be a file in the multipart form");
    return received(part.file);
  }
  if (request.body instanceof Readable) return received(request.body);
  throw new DomainError("invalid_argument", "BODY_MISSING", "the body must be the picture's bytes or a multipart form");
}
