import { bodyNeeding, text } from "../common/schema.ts";
import { nothing, record, refusalAnswer, withoutToken, withToken } from "./schemas.ts";

const signedIn = {
  description: "Signed in, for 14 days.",
  type: "object",
  properties: { record, token: text("JWT, for the header `Authorization`.") },
};

export const listing = {
  ...withoutToken,
  summary: "How one can sign in",
  response: {
    200: {
      description: "By name or by address, with a password.",
      type: "object",
      properties: {
        usernamePassword: { type: "boolean" },
        emailPassword: { type: "boolean" },
        authProviders: { type: "array", items: { type: "object" } },
      },
    },
  },
};

export const signingIn = {
  ...withoutToken,
  summary: "Signs in",
  ...bodyNeeding(
    { identity: text("Username or email address."), password: text("The password.") },
    "identity",
    "password",
  ),
  response: { 200: signedIn },
};

export const refreshing = {
  ...withToken,
  summary: "Another token for a session that was begun here; the one before works on",
  response: { 200: signedIn, 401: refusalAnswer("There is no token of such a session.") },
};

export const requesting = {
  ...withoutToken,
  summary: "Mails a token that sets a new password, where mail is set up",
  ...bodyNeeding({ email: text("The account's address.") }, "email"),
  response: { 204: nothing("Whether or not the address is known.") },
};

const newPassword = {
  token: text("As it was mailed."),
  password: text("8 characters to 72 bytes."),
  passwordConfirm: text("The same."),
};

export const resetting = {
  ...withoutToken,
  summary: "Sets a new password, and ends all sessions",
  ...bodyNeeding(newPassword, ...Object.keys(newPassword)),
  response: { 204: nothing("It is set.") },
};
