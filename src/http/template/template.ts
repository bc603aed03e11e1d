import type { MultipartFile } from "@fastify/multipart";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Files } from "../../core/files.ts";
import { invalidField } from "../../model/errors.ts";
import { toChatId } from "../../model/file.ts";
import type { Log } from "../../ports/log.ts";
import { userOf } from "../caller.ts";
import { received, unreadableForm, unvalidated } from "../form.ts";
import { type RefusalTerms, refuseBy } from "../refusal.ts";
import { fieldMissing, type Refusal, toRefusal, uploadField } from "./refusals.ts";
import { health, refusalAnswer, uploading } from "./schemas.ts";

export interface TemplateCore {
  readonly files: Files;
}

const refusals: RefusalTerms<Refusal> = {
  toBody: (error, { headers }) => toRefusal(error, headers.authorization),
  unforeseen: () => ({ status: 500, detail: "Failed to upload file to storage." }),
  send: (reply, { status, detail }) => reply.code(status).type("application/json").send(JSON.stringify({ detail })),
};

/** The routes of the FastAPI template. */
export async function addTemplateRoutes(app: FastifyInstance, { files }: TemplateCore, log: Log): Promise<void> {
  await app.register(async (scope) => {
    // What is no form is looked at no further: it has no file.
    scope.removeContentTypeParser(["application/json", "text/plain"]);
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    scope.setErrorHandler(refuseBy(refusals, log));
    scope.get("/upload/healthz", { schema: health, config: { refusalAnswer } }, async () => ({ status: "ok" }));
    const options = { schema: uploading, config: { refusalAnswer }, validatorCompiler: unvalidated };
    scope.post<{ Querystring: { chat_id?: string | string[] } }>("/upload", options, async (request, reply) => {
      const part = await filePartOf(request);
      // Of several, FastAPI takes the last.
      const chatId = [request.query.chat_id].flat().at(-1);
      const about = { name: part.filename ?? "", chatId: chatId && toChatId(chatId) };
      const id = await files.store(about, received(part.file), userOf(request));
      return reply.header("location", `/download/${id}`).send({ message: "File processing has started." });
    });
  });
}

async function filePartOf(request: FastifyRequest): Promise<MultipartFile> {
  if (!request.isMultipart()) throw invalidField(uploadField, fieldMissing);
  for await (const part of readable(request.parts({ preservePath: true }))) {
    if (part.fieldname === uploadField && part.type === "file") return part;
    if (part.fieldname === uploadField) throw invalidField(uploadField, "must be a file");
    if (part.type === "file") part.file.resume();
  }
  throw invalidField(uploadField, fieldMissing);
}

/** A form that is malformed, or has too many parts, is its sender's matter. */
async function* readable<Part>(parts: AsyncIterable<Part>): AsyncGenerator<Part> {
  try {
    yield* parts;
  } catch (cause) {
    throw unreadableForm(cause);
  }
}
