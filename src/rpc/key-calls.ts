import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import type { SigningKeys } from "../ports/signing-keys.ts";
import { toSigningKey } from "./convert.ts";

export interface KeyCore {
  readonly signingKeys: SigningKeys;
}

/** The keys of access tokens. */
export function keyCalls({ signingKeys }: KeyCore) {
  return {
    async listSigningKeys() {
      return { keys: (await signingKeys.list()).map(toSigningKey) };
    },
    async rotateSigningKey({ immediately }) {
      return { key: toSigningKey(await signingKeys.rotate(immediately)) };
    },
  } satisfies Partial<ServiceImpl<typeof AuthService>>;
}
