import type { FastifyInstance } from "fastify";
import type { UseCases } from "../../core/use-cases.ts";
import { auditSubject, auditTokenOwner } from "../../model/audit.ts";
import { userOf } from "../../model/call.ts";
import { checkFields, DomainError } from "../../model/errors.ts";
import { limitedAs } from "../common/limited-as.ts";
import { listing, refreshing, requesting, resetting, signingIn } from "./auth-schemas.ts";
import { blankOf, confirmRule } from "./passwords.ts";
import { toRecord } from "./record-shape.ts";
import { changeFailed } from "./refusal.ts";

interface Credentials {
  readonly identity?: string;
  readonly password?: string;
}

interface Reset {
  readonly token?: string;
  readonly password?: string;
  readonly passwordConfirm?: string;
}

const path = "/collections/users";
const methods = { usernamePassword: true, emailPassword: true, authProviders: [] };
const wrongForm = "An error occurred while validating the form.";

/** Signing in as PocketBase has it, and new passwords. */
export function addAuthRoutes(scope: FastifyInstance, { audit, recovery, sessions }: UseCases): void {
  scope.get(`${path}/auth-methods`, { schema: listing }, () => Promise.resolve(methods));

  const login = { ...limitedAs("darkroom.auth.v1.AuthService/Login"), failure: "Failed to authenticate." };
  scope.post<{ Body: Credentials | null }>(
    `${path}/auth-with-password`,
    { schema: signingIn, config: login },
    async ({ call, body }) => {
      const { identity = "", password = "" } = body ?? {};
      checkFields({ identity: () => blankOf(identity), password: () => blankOf(password) });
      const { account, tokens } = await audit.keep(
        call,
        "session.started",
        () => sessions.login(identity, password, call, { surface: "pocketbase" }),
        (result) => auditSubject("user", result?.account.id),
      );
      return { record: toRecord(account, "owner"), token: tokens.accessToken };
    },
  );

  const refresh = limitedAs("darkroom.auth.v1.AuthService/RefreshToken");
  scope.post(`${path}/auth-refresh`, { schema: refreshing, config: refresh }, async (request) => {
    const user = userOf(request.call);
    const renew = () => sessions.renew(user);
    const token = await audit.keep(request.call, "session.refreshed", renew);
    return { record: toRecord(user.account, "owner"), token };
  });

  const request = { ...limitedAs("darkroom.auth.v1.AuthService/RequestPasswordReset"), failure: wrongForm };
  scope.post<{ Body: { email?: string } | null }>(
    `${path}/request-password-reset`,
    { schema: requesting, config: request },
    async ({ call, body }, reply) => {
      const ask = async () => recovery.requestPasswordReset(body?.email ?? "");
      await audit.keep(call, "user.password_reset_requested", ask).catch(unlessNoMail);
      return reply.code(204).send();
    },
  );

  const reset = { ...limitedAs("darkroom.auth.v1.AuthService/ResetPassword"), failure: changeFailed };
  scope.post<{ Body: Reset | null }>(
    `${path}/confirm-password-reset`,
    { schema: resetting, config: reset },
    async ({ call, body }, reply) => {
      const { token = "", password = "", passwordConfirm = "" } = body ?? {};
      checkFields({
        token: () => blankOf(token),
        password: () => blankOf(password),
        passwordConfirm: () => confirmRule(password, passwordConfirm),
      });
      await audit.keep(
        call,
        "user.password_reset",
        () => recovery.resetPassword(token, password),
        () => auditTokenOwner(token),
      );
      return reply.code(204).send();
    },
  );
}

/** PocketBase answers the same whether or not there is somebody to write to. */
function unlessNoMail(error: unknown): void {
  if (!(error instanceof DomainError && error.reason === "MAIL_NOT_SET_UP")) throw error;
}
