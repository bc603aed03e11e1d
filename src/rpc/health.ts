import { setTimeout as delay } from "node:timers/promises";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  type Health as HealthDesc,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/health/v1/health_pb.ts";
import type { Health } from "../core/health.ts";

/** How often a watched status is looked at. */
const lookEveryMs = 1000;

/** grpc.health.v1: the server's status under the empty name and under each of its services. */
export function healthService(health: Health, services: ReadonlySet<string>): ServiceImpl<typeof HealthDesc> {
  const isKnown = (service: string) => service === "" || services.has(service);
  const status = async () => ((await health.isReady()) ? Status.SERVING : Status.NOT_SERVING);

  return {
    async check({ service }) {
      if (!isKnown(service)) throw new ConnectError("there is no such service", Code.NotFound);
      return { status: await status() };
    },
    async list() {
      const current = { status: await status() };
      return { statuses: Object.fromEntries(["", ...services].map((service) => [service, current])) };
    },
    async *watch({ service }, { signal }) {
      let last: Status | undefined;
      while (!signal.aborted) {
        const current = isKnown(service) ? await status() : Status.SERVICE_UNKNOWN;
        if (current !== last) yield { status: current };
        last = current;
        await delay(lookEveryMs, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}
