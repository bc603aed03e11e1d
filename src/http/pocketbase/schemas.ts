import { text } from "../common/schema.ts";

/** What all these routes share in the OpenAPI document. */
const fieldError = {
  type: "object",
  properties: { code: { type: "string", description: "Stable, for programs." }, message: { type: "string" } },
};

const envelope = {
  type: "object",
  required: ["code", "message", "data"],
  properties: {
    code: { type: "integer", description: "The answer's status." },
    message: { type: "string" },
    data: { type: "object", description: "By field: what is wrong with it.", additionalProperties: fieldError },
  },
};

export function refusalAnswer(description: string) {
  return { description, ...envelope };
}

const tags = ["PocketBase"];
/** The token with its scheme or without. */
export const withToken = { tags, security: [{ bearer: [] }, { apiKey: [] }, { bareToken: [] }] };
/** Without a token, the answer is as if nothing were there. */
export const withTokenOrNot = { tags, security: [...withToken.security, {}] };
export const withoutToken = { tags, security: [] };

export const nothing = (description: string) => ({ description, type: "null" });

export const record = {
  type: "object",
  properties: {
    avatar: { type: "string" },
    collectionId: { type: "string" },
    collectionName: { type: "string" },
    created: { type: "string" },
    email: text("Its owner's answers alone have one that is not public."),
    emailVisibility: { type: "boolean", description: "Whether everybody may see the address." },
    id: text("15 characters."),
    name: { type: "string" },
    updated: { type: "string" },
    username: { type: "string" },
    verified: { type: "boolean" },
  },
};
