import formbody from "@fastify/formbody";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { DomainError, invalidField } from "../../model/errors.ts";
import { unreadableForm } from "../common/form.ts";

/** Bytes of one field. */
const fieldMax = 4096;
/** More parts than a record has fields. */
const limits = { files: 8, fields: 32, parts: 40, fieldSize: fieldMax };

/** Reads what front ends send as forms: of a multipart form its text, and of a field that is repeated the first. */
export async function readForms(scope: FastifyInstance): Promise<void> {
  await scope.register(formbody, { parser: (text) => Object.fromEntries([...new URLSearchParams(text)].toReversed()) });
  scope.addHook("preValidation", async (request) => {
    if (request.isMultipart()) request.body = Object.fromEntries(await fieldsOf(request));
  });
}

async function fieldsOf(request: FastifyRequest): Promise<Map<string, unknown>> {
  const fields = new Map<string, unknown>();
  try {
    for await (const part of request.parts({ limits })) {
      const { fieldname: name } = part;
      // File inputs that were left empty are sent too.
      if (part.type === "file") for await (const _ of part.file) throw invalidField(name, "must not be a file");
      else if (part.valueTruncated) throw invalidField(name, `must have at most ${fieldMax} bytes`);
      else if (!fields.has(name)) fields.set(name, part.value);
    }
  } catch (cause) {
    throw cause instanceof DomainError ? cause : unreadableForm(cause);
  }
  return fields;
}
