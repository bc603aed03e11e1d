import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import type { Audit } from "../core/audit.ts";
import { fromTimestamp, toAuditEvent } from "./convert.ts";

export interface AuditCore {
  readonly audit: Audit;
}

/** What administrators ask of the past. */
export function auditCalls({ audit }: AuditCore) {
  return {
    async listAuditEvents({ pageSize, pageToken, action, actor, target, startTime, endTime }) {
      const page = await audit.list({
        pageSize,
        pageToken,
        action,
        actor,
        target,
        startTime: fromTimestamp("start_time", startTime),
        endTime: fromTimestamp("end_time", endTime),
      });
      return { events: page.items.map(toAuditEvent), nextPageToken: page.nextPageToken };
    },
  } satisfies Partial<ServiceImpl<typeof AuthService>>;
}
