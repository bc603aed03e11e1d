import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "../../../gen/darkroom/auth/v1/auth_pb.ts";
import type { UseCases } from "../../core/use-cases.ts";
import { userOf } from "../../model/call.ts";
import { callOf } from "../call.ts";
import { toAccount } from "./convert.ts";

/** Calls that set new passwords and addresses by mailed tokens. */
export function recoveryCalls({ recovery }: UseCases) {
  return {
    async requestEmailChange({ email, password }, context) {
      const call = callOf(context);
      await recovery.requestEmailChange(userOf(call), call.address, email, password);
      return {};
    },
    async confirmEmailChange({ token }) {
      return { account: toAccount(await recovery.confirmEmailChange(token)) };
    },
    requestPasswordReset({ email }) {
      recovery.requestPasswordReset(email);
      return {};
    },
    async resetPassword({ token, newPassword }) {
      await recovery.resetPassword(token, newPassword);
      return {};
    },
    async issueUserToken({ userId, email }) {
      const { token, expiresAt } = await recovery.issue(userId, email);
      return { token, expireTime: timestampFromMs(expiresAt) };
    },
  } satisfies Partial<ServiceImpl<typeof AuthService>>;
}
