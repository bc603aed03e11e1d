import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { type AuditCore, auditCalls } from "./audit-calls.ts";
import { type ClientCore, clientCalls } from "./client-calls.ts";
import { type KeyCore, keyCalls } from "./key-calls.ts";
import { type RecoveryCore, recoveryCalls } from "./recovery-calls.ts";
import { type SessionCore, sessionCalls } from "./session-calls.ts";
import { type UserCore, userCalls } from "./user-calls.ts";

export type AuthCore = SessionCore & UserCore & ClientCore & AuditCore & KeyCore & RecoveryCore;

/** A file for each subject; together they are the whole service, or it does not compile. */
export function authService(core: AuthCore): ServiceImpl<typeof AuthService> {
  return {
    ...sessionCalls(core),
    ...userCalls(core),
    ...clientCalls(core),
    ...auditCalls(core),
    ...keyCalls(core),
    ...recoveryCalls(core),
  };
}
