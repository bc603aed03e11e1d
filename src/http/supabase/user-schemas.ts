import { bodyOf, text } from "../common/schema.ts";
import { phone, refusalAnswer, tokenRefusals, userAnswer, withToken } from "./schemas.ts";

export const viewing = {
  ...withToken,
  summary: "Who the token is of",
  response: { 200: userAnswer, ...tokenRefusals },
};

export const updating = {
  ...withToken,
  summary: "Changes what the body has of one's own account; a new password ends the other sessions",
  body: bodyOf({
    data: {
      type: "object",
      additionalProperties: true,
      description: "Is added to `user_metadata`; a key with null goes.",
    },
    password: text("8 characters to 72 bytes."),
    current_password: text("Needed for another address, and for a new password once the session is a day old."),
    phone,
    email: text("Another address is mailed to first, and becomes the account's when that is confirmed."),
  }),
  response: {
    200: userAnswer,
    ...tokenRefusals,
    401: refusalAnswer("There is no bearer token, or a new password needs the old one."),
    409: refusalAnswer("It was changed meanwhile."),
    422: refusalAnswer("The password is weak, or mail is not set up."),
  },
};

export const signingOut = {
  ...withToken,
  summary: "Ends sessions",
  querystring: {
    type: "object",
    properties: { scope: { enum: ["global", "local", "others", ""], default: "global" } },
  },
  response: { 204: { description: "They ended.", type: "null" }, ...tokenRefusals },
};
