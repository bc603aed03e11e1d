import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService } from "../../../gen/darkroom/auth/v1/auth_pb.ts";
import type { UseCases } from "../../core/use-cases.ts";
import { fromTimestamp, toAuditEvent } from "./convert.ts";

/** The administrators' calls about audit events. */
export function auditCalls({ audit }: UseCases) {
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
