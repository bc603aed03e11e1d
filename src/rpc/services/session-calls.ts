import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  type AuthService,
  CheckAuthResponseSchema,
  ValidateResponseSchema,
} from "../../../gen/darkroom/auth/v1/auth_pb.ts";
import type { UseCases } from "../../core/use-cases.ts";
import { principalOf, userOf } from "../../model/call.ts";
import { sessionCookie } from "../../model/session-cookie.ts";
import { callOf } from "../call.ts";
import { toAccount, toPrincipal, toSession, toTokens } from "./convert.ts";
import { inTurns } from "./in-turns.ts";
import { principalAnswers } from "./principal-answers.ts";

/** Signing up and in, and what a caller can ask of sessions. */
export function sessionCalls(core: UseCases) {
  const keep = (token: string | undefined, context: HandlerContext) =>
    context.responseHeader.set(
      "set-cookie",
      sessionCookie(token, { domain: core.cookieDomain, isSecure: callOf(context).isSecure }),
    );

  const inTurn = inTurns(core);
  const checked = principalAnswers((principal) =>
    create(CheckAuthResponseSchema, { principal: toPrincipal(principal) }),
  );
  const valid = principalAnswers((principal) =>
    create(ValidateResponseSchema, { valid: true, principal: toPrincipal(principal) }),
  );

  return {
    async signUp({ username, email, password }) {
      return { account: toAccount(await core.accounts.signUp({ username, email, password })) };
    },
    async login({ identity, password, sessionToken }, context) {
      const login = await core.sessions.login(identity, password, callOf(context), { sessionToken });
      if (login.sessionToken !== undefined) keep(login.sessionToken, context);
      return {
        account: toAccount(login.account),
        tokens: toTokens(login.tokens),
        sessionToken: login.sessionToken ?? "",
      };
    },
    async refreshToken({ refreshToken }) {
      const { tokens } = await core.sessions.refresh(refreshToken);
      return { tokens: toTokens(tokens) };
    },
    async logout(_request, context) {
      await core.sessions.logout(userOf(callOf(context)).sessionId);
      keep(undefined, context);
      return {};
    },
    async validate({ credential }) {
      const principal = await core.authentication.validate(credential);
      return principal === undefined ? { valid: false } : valid(principal);
    },
    checkAuth(_request, context) {
      return checked(principalOf(callOf(context)));
    },
    listSessions: inTurn(async (_request, context) => {
      const { account, sessionId } = userOf(callOf(context));
      const sessions = await core.sessions.list(account);
      return { sessions: sessions.map((session) => toSession(session, sessionId)) };
    }),
    async revokeSession({ sessionId }, context) {
      await core.sessions.revoke(sessionId, userOf(callOf(context)).account.id);
      return {};
    },
    async revokeOtherSessions(_request, context) {
      return { revoked: await core.sessions.revokeOthers(userOf(callOf(context))) };
    },
  } satisfies Partial<ServiceImpl<typeof AuthService>>;
}
