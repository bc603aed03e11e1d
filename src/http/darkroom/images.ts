import { Readable } from "node:stream";
import multipart from "@fastify/multipart";
import type { FastifyError, FastifyInstance, FastifyRequest } from "fastify";
import type { Files } from "../../core/images/files.ts";
import type { Images } from "../../core/images/images.ts";
import { principalOf } from "../../model/call.ts";
import { DomainError, invalidField, isNotFound } from "../../model/errors.ts";
import { formLimits, received, unreadableForm, unvalidated } from "../common/form.ts";
import { bodyTypeUnsupported, isOfUnknownType } from "../common/problem.ts";
import { sendFile, sendImage } from "../common/sending.ts";
import { downloading, formType, rawTypes, uploading } from "./image-schemas.ts";

/** Pictures in, pictures and other files out by plain HTTP, streamed both ways. */
export async function addImageRoutes(app: FastifyInstance, images: Images, files: Files): Promise<void> {
  await app.register(multipart, { limits: formLimits, throwFileSizeLimit: false });
  await app.register(async (scope) => addUploadRoute(scope, images));

  const options = { schema: downloading, exposeHeadRoute: true };
  app.get<{ Params: { uuid: string } }>("/download/:uuid", options, async (request, reply) => {
    const { uuid } = request.params;
    const by = principalOf(request.call);
    try {
      return sendImage(reply, await images.open(uuid, by));
    } catch (error) {
      const file = isNotFound(error) ? await files.open(uuid, by) : undefined;
      if (file === undefined) throw error;
      return sendFile(reply, file);
    }
  });
}

function addUploadRoute(scope: FastifyInstance, images: Images): void {
  scope.removeContentTypeParser(["application/json", "text/plain"]);
  // Bodies stay streams.
  scope.addContentTypeParser(rawTypes, (_request, payload, done) => done(null, payload));
  scope.setErrorHandler((error: FastifyError) => {
    throw isOfUnknownType(error) ? noPictureType() : error;
  });
  scope.post("/images", { schema: uploading, validatorCompiler: unvalidated }, async (request, reply) => {
    const image = await images.upload(await pictureOf(request), principalOf(request.call));
    return reply.code(201).header("location", `/download/${image.id}`).send({ uuid: image.id });
  });
}

function noPictureType(): DomainError {
  const message = `the body's type must be one of: ${[...rawTypes, formType].join(", ")}`;
  return new DomainError("invalid_argument", bodyTypeUnsupported, message);
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
