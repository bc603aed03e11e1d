import { bodyOf, needing, text } from "../common/schema.ts";
import { nothing, record, refusalAnswer, withoutToken, withTokenOrNot } from "./schemas.ts";

const own = { description: "The record.", ...record };
const params = { type: "object", properties: { id: text("The record's id.") } };
const gone = refusalAnswer("There is no such record, or it is somebody else's, or there is no token.");

const fields = {
  username: text("3 to 64 of letters, digits, `.`, `_` and `-`."),
  password: text("8 characters to 72 bytes."),
  passwordConfirm: text("The same."),
  name: { type: "string" },
  avatar: text("Empty: there is none any more. A file's name changes nothing."),
  verified: { description: "False: nobody sets it." },
  emailVisibility: {
    description: "Whether everybody may see the address: true, or one of the texts true and 1. Anything else is false.",
  },
};

const newRecord = {
  id: text("15 of a–z and 0–9; made up where there is none."),
  ...fields,
  email: text("Optional, as is the username, which is made up where there is none."),
};

const changes = {
  id: text("What it is already."),
  ...fields,
  email: text("What it is already."),
  oldPassword: text("Needed with a new password."),
};

/** A record's body for the document: with all the types that castRecord turns into text. */
const asSent = (properties: Readonly<Record<string, object>>) => {
  const castable = Object.entries(properties).map(([name, field]) => [
    name,
    "type" in field ? { ...field, type: ["string", "number", "boolean", "null"] } : field,
  ]);
  return bodyOf(Object.fromEntries(castable));
};

export const creating = {
  ...withoutToken,
  summary: "Signs up",
  body: bodyOf(newRecord),
  documented: { body: needing(asSent(newRecord), "password", "passwordConfirm") },
  response: { 200: own },
};

const listQuery = (page: object) => ({
  type: "object",
  properties: { page, perPage: page, filter: text("Refused.") },
});

export const listing = {
  ...withTokenOrNot,
  summary: "The records that the caller may see: the caller's own",
  querystring: listQuery({ type: "integer" }),
  documented: {
    querystring: listQuery({ anyOf: [{ type: "integer" }, { const: "" }], description: "The default when empty." }),
  },
  response: {
    200: {
      description: "None without a token.",
      type: "object",
      properties: {
        page: { type: "integer" },
        perPage: { type: "integer" },
        totalItems: { type: "integer" },
        totalPages: { type: "integer" },
        items: { type: "array", items: record },
      },
    },
    400: refusalAnswer("A parameter is none."),
  },
};

const byId = { ...withTokenOrNot, params };

export const viewing = { ...byId, summary: "One's own record", response: { 200: own, 404: gone } };

export const updating = {
  ...byId,
  summary: "Changes what the body has of one's own record; a new password ends all sessions",
  body: bodyOf(changes),
  documented: { body: asSent(changes) },
  response: { 200: own, 404: gone },
};

export const deleting = {
  ...byId,
  summary: "Deletes one's account with all that it has",
  response: {
    204: nothing("It is gone."),
    400: refusalAnswer("The token is of another API, or it is the last administrator's."),
    404: gone,
  },
};
