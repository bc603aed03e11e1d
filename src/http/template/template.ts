import type { Multipart, MultipartFile } from "@fastify/multipart";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { UseCases } from "../../core/use-cases.ts";
import { userOf } from "../../model/call.ts";
import { brokenFields, DomainError, type FieldViolation, invalidField, invalidFields } from "../../model/errors.ts";
import { chatIdRule, toChatId } from "../../model/file.ts";
import type { Log } from "../../ports/log.ts";
import { received, unreadableForm, unvalidated } from "../common/form.ts";
import { type RefusalTerms, refuseBy, sendJson } from "../common/refusal.ts";
import type { OldApiRoutes } from "../old-api-routes.ts";
import { fieldMissing, fileExpected, type Refusal, toRefusal, uploadField } from "./refusal.ts";
import { health, refusalAnswer, uploading } from "./schemas.ts";

/** These count parts of any name. */
const uploadFormLimits = { files: 8, parts: 16 };
const manyFiles = new DomainError(
  "invalid_argument",
  "FILES_TOO_MANY",
  `the form has more than one file of the name ${uploadField}`,
);

const refusals: RefusalTerms<Refusal> = {
  toBody: (error, { headers }) => toRefusal(error, headers.authorization),
  unforeseen: () => ({ status: 500, detail: "Failed to upload file to storage." }),
  send: (reply, { status, detail }) => sendJson(reply, status, { detail }),
};

/** The routes of the FastAPI template. */
export const template: OldApiRoutes = { add: addRoutes };

async function addRoutes(app: FastifyInstance, { files }: UseCases, log: Log): Promise<void> {
  await app.register(async (scope) => {
    // A body that is no form is not read: it has no file.
    scope.removeContentTypeParser(["application/json", "text/plain"]);
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    scope.setErrorHandler(refuseBy(refusals, log));
    scope.get("/upload/healthz", { schema: health, config: { refusalAnswer }, exposeHeadRoute: true }, async () => ({
      status: "ok",
    }));
    const options = { schema: uploading, config: { refusalAnswer }, validatorCompiler: unvalidated };
    scope.post<{ Querystring: { chat_id?: string | string[] } }>("/upload", options, async (request, reply) => {
      // Of several, FastAPI takes the last.
      const given = [request.query.chat_id].flat().at(-1);
      const chatId = given && toChatId(given);
      const { name, bytes } = await fileOf(request, brokenFields({ chat_id: () => chatIdRule(chatId) }));
      const id = await files.store({ name, chatId }, bytes, userOf(request.call));
      return reply.header("location", `/download/${id}`).send({ message: "File processing has started." });
    });
  });
}

/**
 * A form's file: the first part with its name, unless the form's end shows another. Without a file, the other broken fields
 * are told too, as FastAPI does.
 */
async function fileOf(
  request: FastifyRequest,
  broken: readonly FieldViolation[],
): Promise<{ name: string; bytes: AsyncIterable<Uint8Array> }> {
  const parts = namesakes(request);
  let rule = fieldMissing;
  for (;;) {
    const { value: part } = await parts.next();
    if (part === undefined) throw invalidFields([...broken, { field: uploadField, rule }]);
    if (part.type === "file") return { name: part.filename ?? "", bytes: alone(part, parts) };
    // Of several, FastAPI takes the last: a file may follow.
    rule = fileExpected;
  }
}

/** The file's bytes. Ends with a refusal, before anything is kept of them, where the form has another part of the name. */
async function* alone({ file }: MultipartFile, rest: AsyncGenerator<Multipart, void>): AsyncGenerator<Uint8Array> {
  yield* received(file);
  const { value: another } = await rest.next();
  if (another !== undefined) throw another.type === "file" ? manyFiles : invalidField(uploadField, fileExpected);
}

/** The form's parts that have the file's name. */
async function* namesakes(request: FastifyRequest): AsyncGenerator<Multipart, void> {
  if (!request.isMultipart()) return;
  try {
    for await (const part of request.parts({ preservePath: true, limits: uploadFormLimits })) {
      if (part.fieldname === uploadField) yield part;
      else if (part.type === "file") part.file.resume();
    }
  } catch (cause) {
    // The form is malformed, or has too many parts: its sender's fault.
    throw unreadableForm(cause);
  }
}
