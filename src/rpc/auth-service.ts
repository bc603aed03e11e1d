import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import type { Accounts } from "../core/accounts.ts";
import type { Authentication } from "../core/authentication.ts";
import type { Sessions } from "../core/sessions.ts";
import { callOf, principalOf, userOf } from "./call.ts";
import { toAccount, toPrincipal, toTokens } from "./convert.ts";

export function authService(core: {
  accounts: Accounts;
  sessions: Sessions;
  authentication: Authentication;
}): ServiceImpl<typeof AuthService> {
  return {
    async signUp({ username, email, password }) {
      return { account: toAccount(await core.accounts.signUp({ username, email, password })) };
    },
    async login({ identity, password }, context) {
      const { account, tokens } = await core.sessions.login(identity, password, callOf(context));
      return { account: toAccount(account), tokens: toTokens(tokens) };
    },
    async refreshToken({ refreshToken }) {
      return { tokens: toTokens(await core.sessions.refresh(refreshToken)) };
    },
    async logout(_request, context) {
      await core.sessions.logout(userOf(context).sessionId);
      return {};
    },
    async validate({ credential }) {
      const principal = await core.authentication.validate(credential);
      return principal === undefined ? { valid: false } : { valid: true, principal: toPrincipal(principal) };
    },
    checkAuth(_request, context) {
      return { principal: toPrincipal(principalOf(context)) };
    },
  };
}
