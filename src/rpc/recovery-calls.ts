import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import type { Recovery } from "../core/recovery.ts";
import { callOf, userOf } from "./call.ts";
import { toAccount } from "./convert.ts";

export interface RecoveryCore {
  readonly recovery: Recovery;
}

/** New passwords and addresses by tokens. */
export function recoveryCalls({ recovery }: RecoveryCore) {
  return {
    async requestEmailChange({ email, password }, context) {
      await recovery.requestEmailChange(userOf(context), callOf(context).address, email, password);
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
