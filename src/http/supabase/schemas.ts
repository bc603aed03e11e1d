import { text } from "../common/schema.ts";

/** What all these routes share in the OpenAPI document. */
const refused = {
  type: "object",
  required: ["code", "error_code", "msg"],
  properties: {
    code: { type: "integer", description: "The answer's status." },
    error_code: { type: "string", description: "Stable, for programs." },
    msg: { type: "string" },
    weak_password: {
      type: "object",
      properties: { reasons: { type: "array", items: { type: "string" } } },
    },
    error_id: { type: "string", description: "The request's id." },
  },
};

export function refusalAnswer(description: string) {
  return { description, ...refused };
}

const tags = ["Supabase"];
export const withToken = { tags, security: [{ bearer: [] }] };
export const tokenRefusals = {
  401: refusalAnswer("There is no bearer token."),
  403: refusalAnswer("The token is not valid, or no user's."),
};
export const withoutToken = { tags, security: [] };

export const phone = text("Refused: there are no phones here.");
const open = { type: "object", additionalProperties: true };

const user = {
  type: "object",
  required: ["id", "aud", "role", "email", "user_metadata", "app_metadata", "identities", "created_at", "updated_at"],
  properties: {
    id: text("UUID."),
    aud: { type: "string" },
    role: { type: "string" },
    email: text("Empty where there is none."),
    email_confirmed_at: { type: "string" },
    phone: { type: "string" },
    confirmed_at: { type: "string" },
    last_sign_in_at: { type: "string" },
    app_metadata: open,
    user_metadata: { ...open, description: "What front ends keep there: 16 KiB of JSON at most." },
    identities: { type: "array", items: open },
    created_at: { type: "string" },
    updated_at: { type: "string" },
    is_anonymous: { type: "boolean" },
  },
};

export const userAnswer = { description: "Who it is.", ...user };
export const sessionAnswer = {
  description: "Signed in.",
  type: "object",
  required: ["access_token", "token_type", "expires_in", "expires_at", "refresh_token", "user"],
  properties: {
    access_token: text("JWT."),
    token_type: { type: "string", const: "bearer" },
    expires_in: { type: "integer", description: "Seconds." },
    expires_at: { type: "integer", description: "Seconds since the epoch." },
    refresh_token: text("Good once; a repeat within 30 seconds gets the same answer."),
    user,
  },
};
