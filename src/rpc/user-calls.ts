import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import type { Accounts } from "../core/accounts.ts";
import type { Users } from "../core/users.ts";
import { invalidField } from "../model/errors.ts";
import { callOf, userOf } from "./call.ts";
import { fromRole, toAccount } from "./convert.ts";

export interface UserCore {
  readonly accounts: Accounts;
  readonly users: Users;
}

/** One's own password, and the administrators' keeping of accounts. */
export function userCalls({ accounts, users }: UserCore) {
  return {
    async changePassword({ oldPassword, newPassword }, context) {
      await accounts.changePassword(userOf(context), callOf(context).address, oldPassword, newPassword);
      return {};
    },
    async listUsers({ pageSize, pageToken, query }) {
      const page = await users.list({ pageSize, pageToken, query });
      return { users: page.users.map(toAccount), nextPageToken: page.nextPageToken };
    },
    async getUser({ userId }) {
      return { user: toAccount(await users.get(userId)) };
    },
    async createUser({ username, email, password, role }) {
      return { user: toAccount(await accounts.create({ username, email, password }, fromRole(role) ?? "user")) };
    },
    async setUserDisabled({ userId, disabled }) {
      return { user: toAccount(await users.setDisabled(userId, disabled)) };
    },
    async unlockUser({ userId }) {
      await users.unlock(userId);
      return {};
    },
    async setUserRole({ userId, role }) {
      const wanted = fromRole(role);
      if (wanted === undefined) throw invalidField("role", "must be ROLE_USER or ROLE_ADMIN");
      return { user: toAccount(await users.setRole(userId, wanted)) };
    },
  } satisfies Partial<ServiceImpl<typeof AuthService>>;
}
