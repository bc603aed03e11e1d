import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "../../../gen/darkroom/auth/v1/auth_pb.ts";
import type { UseCases } from "../../core/use-cases.ts";
import { auditCalls } from "./audit-calls.ts";
import { clientCalls } from "./client-calls.ts";
import { keyCalls } from "./key-calls.ts";
import { recoveryCalls } from "./recovery-calls.ts";
import { sessionCalls } from "./session-calls.ts";
import { userCalls } from "./user-calls.ts";

/** A file for each subject; together they are the whole service, or it does not compile. */
export function authService(core: UseCases): ServiceImpl<typeof AuthService> {
  return {
    ...sessionCalls(core),
    ...userCalls(core),
    ...clientCalls(core),
    ...auditCalls(core),
    ...keyCalls(core),
    ...recoveryCalls(core),
  };
}
