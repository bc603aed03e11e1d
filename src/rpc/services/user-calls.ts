import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "../../../gen/darkroom/auth/v1/auth_pb.ts";
import type { UseCases } from "../../core/use-cases.ts";
import { userOf } from "../../model/call.ts";
import { invalidField } from "../../model/errors.ts";
import { callOf } from "../call.ts";
import { fromRole, toAccount } from "./convert.ts";

/** One's own account, and the administrators' keeping of accounts. */
export function userCalls({ accounts, deletions, profiles, users }: UseCases) {
  return {
    async updateProfile({ username }, context) {
      const call = callOf(context);
      return { account: toAccount(await profiles.update(userOf(call), call.address, { username })) };
    },
    async deleteProfile({ password }, context) {
      const call = callOf(context);
      await deletions.deleteOwn(userOf(call), call.address, password);
      return {};
    },
    async changePassword({ oldPassword, newPassword }, context) {
      const call = callOf(context);
      await profiles.update(userOf(call), call.address, { password: { old: oldPassword, wanted: newPassword } });
      return {};
    },
    async listUsers({ pageSize, pageToken, query }) {
      const page = await users.list({ pageSize, pageToken, query });
      return { users: page.items.map(toAccount), nextPageToken: page.nextPageToken };
    },
    async getUser({ userId }) {
      return { user: toAccount(await users.get(userId)) };
    },
    async createUser({ username, email, password, role }, context) {
      const wanted = { username, email, password };
      const { principal } = callOf(context);
      return { user: toAccount(await accounts.create(wanted, fromRole(role) ?? "user", principal)) };
    },
    async setUserDisabled({ userId, disabled }) {
      return { user: toAccount(await users.setDisabled(userId, disabled)) };
    },
    async deleteUser({ userId }) {
      await deletions.delete(userId);
      return {};
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
