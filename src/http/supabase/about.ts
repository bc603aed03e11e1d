import type { FastifyInstance } from "fastify";
import type { UseCases } from "../../core/use-cases.ts";
import { addKeySetRoute } from "../common/key-set.ts";
import { refusalAnswer, withoutToken } from "./schemas.ts";

const gotrue = {
  version: "",
  name: "GoTrue",
  description: "GoTrue is a user registration and authentication API",
};

/** The other ways to sign in that front ends ask about. */
const external = { anonymous_users: false, email: true, phone: false, github: false, google: false };

const anything = { type: "object", additionalProperties: true };
const health = {
  ...withoutToken,
  summary: "That there is such an API",
  response: { 200: { description: "There is.", ...anything } },
};
const settings = {
  ...withoutToken,
  summary: "How one can sign up and in",
  response: { 200: { description: "By address and password.", ...anything } },
};
const keySet = { ...withoutToken, summary: "The keys that access tokens are checked with" };

/** What the API says of itself. */
export function addAboutRoutes(scope: FastifyInstance, { accounts, signingKeys }: UseCases): void {
  scope.get("/health", { schema: health, exposeHeadRoute: true }, async () => gotrue);
  scope.get("/settings", { schema: settings }, async () => ({
    external,
    disable_signup: !accounts.isSignUpOpen,
    mailer_autoconfirm: true,
    phone_autoconfirm: false,
    sms_provider: "",
    saml_enabled: false,
  }));
  addKeySetRoute(scope, "/.well-known/jwks.json", signingKeys, keySet, refusalAnswer);
}
