import type { FastifyRequest } from "fastify";
import type { PasswordFields } from "./passwords.ts";

export interface RecordBody extends PasswordFields {
  readonly id?: string;
  readonly username?: string;
  readonly email?: string;
  readonly name?: string;
  readonly avatar?: string;
  readonly emailVisibility?: boolean;
  readonly verified?: boolean;
}

const booleans = ["emailVisibility", "verified"];

/** The values that Go's `strconv.ParseBool` takes for true; PocketBase takes no number for true. */
const trues: readonly unknown[] = [true, "1", "t", "T", "true", "TRUE", "True"];

/** As PocketBase reads a record: each value is cast to its field's type, and null becomes the field's empty value. */
export async function castRecord(request: FastifyRequest): Promise<void> {
  const { body } = request;
  if (typeof body !== "object" || body === null || Array.isArray(body)) return;
  const fields = Object.entries(body).map(([name, value]) => [
    name,
    booleans.includes(name) ? trues.includes(value) : textOf(value),
  ]);
  request.body = Object.fromEntries(fields);
}

/** A list or an object stays what it is, and is refused. */
function textOf(value: unknown): unknown {
  return typeof value === "object" ? (value ?? "") : String(value);
}
