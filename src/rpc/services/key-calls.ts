import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "../../../gen/darkroom/auth/v1/auth_pb.ts";
import type { UseCases } from "../../core/use-cases.ts";
import { toSigningKey } from "./convert.ts";

/** The keys of access tokens. */
export function keyCalls({ signingKeys }: UseCases) {
  return {
    async listSigningKeys() {
      return { keys: (await signingKeys.list()).map(toSigningKey) };
    },
    async rotateSigningKey({ immediately }) {
      return { key: toSigningKey(await signingKeys.rotate(immediately)) };
    },
  } satisfies Partial<ServiceImpl<typeof AuthService>>;
}
