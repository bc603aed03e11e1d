import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { WorkerService } from "../../../gen/darkroom/worker/v1/worker_pb.ts";
import type { Leases } from "../../core/jobs/leases.ts";
import { jobOf } from "../../model/call.ts";
import { callOf } from "../call.ts";

export function workerService(leases: Leases): ServiceImpl<typeof WorkerService> {
  return {
    async claimJob({ dispatch }, context) {
      const { attempt, token, leaseMs, deadline } = await leases.claim(jobOf(callOf(context)), dispatch);
      return { attempt, jobToken: token, lease: durationFromMs(leaseMs), deadline: timestampFromMs(deadline) };
    },
    async heartbeat({ progress }, context) {
      return { lease: durationFromMs(await leases.heartbeat(jobOf(callOf(context)), progress)) };
    },
  };
}
