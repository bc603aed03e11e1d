import type { FastifyRequest } from "fastify";
import type { PasswordFields } from "./passwords.ts";

export interface RecordBody extends PasswordFields {
  readonly id?: string;
  readonly username?: string;
  readonly email?: string;
  readonly name?: string;
  readonly avatar?: string;
  /** A form has text alone. */
  readonly emailVisibility?: boolean | "true" | "false";
}

/** As PocketBase reads a record, where null is what a field has that nobody filled. */
export async function castRecord(request: FastifyRequest): Promise<void> {
  const { body } = request;
  if (typeof body !== "object" || body === null || Array.isArray(body)) return;
  const fields = Object.entries(body).map(([name, value]) => [
    name,
    value ?? (name === "emailVisibility" ? false : ""),
  ]);
  request.body = Object.fromEntries(fields);
}
