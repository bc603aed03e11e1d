import type { ServiceImpl } from "@connectrpc/connect";
import { type AuthService, Role } from "../../../gen/darkroom/auth/v1/auth_pb.ts";
import type { UseCases } from "../../core/use-cases.ts";
import { userOf } from "../../model/call.ts";
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
      const wantedRole = role === Role.UNSPECIFIED ? "user" : fromRole(role);
      return { user: toAccount(await accounts.create(wanted, wantedRole, callOf(context).principal)) };
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
      return { user: toAccount(await users.setRole(userId, fromRole(role))) };
    },
  } satisfies Partial<ServiceImpl<typeof AuthService>>;
}
