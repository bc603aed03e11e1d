import { bodyOf, needing, problemAnswer, text } from "../common/schema.ts";

const oauthAnswer = {
  type: "object",
  required: ["error", "error_description"],
  properties: { error: { type: "string" }, error_description: { type: "string" } },
};
const refusal = (description: string) => {
  const { content } = problemAnswer("");
  return { description, content: { ...content, "application/json": { schema: oauthAnswer } } };
};

const form = bodyOf({
  grant_type: { description: "`client_credentials`" },
  client_id: { description: "The client's id." },
  client_secret: { description: "Its API key." },
  scope: { description: "Some of the client's scopes, separated by blanks; all when not given." },
});
const bodies = (formSchema: object) => ({
  content: {
    "application/json": { schema: bodyOf({ api_key: { type: "string" } }) },
    "application/x-www-form-urlencoded": { schema: formSchema },
  },
});

export const tokenSchema = {
  summary: "Exchanges an API key for a token",
  description:
    "The key comes in JSON, in the header `X-API-Key`, or as an OAuth 2 client's secret, by form or Basic, with the key's " +
    "client as `client_id`. OAuth's requests are refused as RFC 6749 has it, others with a problem.",
  tags: ["Relay"],
  security: [{ apiKey: [] }, { basic: [] }, {}],
  body: bodies(form),
  documented: { body: bodies(needing(form, "grant_type")) },
  response: {
    200: {
      description: "A token for the header `Authorization`.",
      type: "object",
      required: ["access_token", "token_type", "expires_in"],
      properties: {
        access_token: text("JWT."),
        token_type: { type: "string", const: "bearer" },
        expires_in: { type: "integer", description: "Seconds." },
        scope: text("What it may do; only where it was asked for as OAuth 2 has it."),
      },
    },
    400: refusal("Something is missing or malformed."),
    401: refusal("The key is not good."),
    429: problemAnswer("Too many calls, or too many keys that are being checked."),
  },
};
