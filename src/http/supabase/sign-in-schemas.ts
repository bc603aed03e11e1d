import { bodyNeeding, bodyOf, needing, text } from "../common/schema.ts";
import { phone, refusalAnswer, sessionAnswer, withoutToken } from "./schemas.ts";

const email = text("The account's address.");

const newUser = {
  email,
  password: text("8 characters to 72 bytes."),
  data: { type: "object", additionalProperties: true, description: "Becomes `user_metadata`." },
  phone,
};

export const signingUp = {
  ...withoutToken,
  summary: "Signs up, and in",
  ...bodyNeeding(newUser, "email", "password"),
  response: {
    200: sessionAnswer,
    422: refusalAnswer("The address is taken, the password is weak, or sign-up is closed."),
  },
};

const grant = { type: "object", properties: { grant_type: text("`password` or `refresh_token`.") } };
const credentials = bodyOf({
  email,
  phone,
  password: text("For `password`."),
  refresh_token: text("For `refresh_token`: the newest of the session."),
});

export const tokenIssuing = {
  ...withoutToken,
  summary: "Signs in, or goes on with a session",
  querystring: grant,
  body: credentials,
  documented: { querystring: needing(grant, "grant_type"), body: needing(credentials) },
  response: { 200: sessionAnswer },
};

export const recovering = {
  ...withoutToken,
  summary: "Mails a token that sets a new password",
  ...bodyNeeding({ email }, "email"),
  response: {
    200: { description: "Whether or not the address is known.", type: "object" },
    422: refusalAnswer("Mail is not set up."),
  },
};
