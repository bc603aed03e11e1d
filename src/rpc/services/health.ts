import { setTimeout as delay } from "node:timers/promises";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  type Health as HealthDesc,
  HealthCheckResponse_ServingStatus as Status,
} from "../../../gen/health/v1/health_pb.ts";
import type { Health } from "../../core/health.ts";
import { createSlots } from "../../helpers/slots.ts";
import { networkOf } from "../../model/address.ts";
import { DomainError } from "../../model/errors.ts";
import { hourMs } from "../../model/time.ts";
import { callOf } from "../call.ts";
import { cutShort } from "./cut-short.ts";

/** How often a watched status is looked at. */
const lookEveryMs = 1000;
const watchMaxMs = hourMs;
/** Watches at a time, of one address (an IPv6 /64) and of all: anybody may open them. */
export const watchesMax = { each: 100, all: 1000 } as const;
const watchesFull = new DomainError(
  "resource_exhausted",
  "WATCHES_FULL",
  "as many watches of health are open as this server keeps: end some, or ask by Check",
  { retryAfterMs: 1000 },
);

/**
 * grpc.health.v1: under the empty name and under each service whether the server is ready, under `darkroom.live` whether it
 * lives, and under `darkroom.backend.NAME` whether that backend is up.
 */
export function healthService(health: Health, services: readonly string[]): ServiceImpl<typeof HealthDesc> {
  const takeSlot = createSlots(watchesMax);
  const checks: ReadonlyMap<string, () => Promise<boolean>> = new Map([
    ...["", ...services].map((name) => [name, () => health.isReady()] as const),
    ["darkroom.live", async () => true] as const,
    ...health.backends.map((name) => [`darkroom.backend.${name}`, () => health.isUp(name)] as const),
  ]);

  /** Undefined for a name that is not known. */
  async function statusOf(service: string): Promise<Status | undefined> {
    const isServing = await checks.get(service)?.();
    if (isServing === undefined) return undefined;
    return isServing ? Status.SERVING : Status.NOT_SERVING;
  }

  return {
    async check({ service }) {
      const status = await statusOf(service);
      if (status === undefined) throw new ConnectError("there is no such service", Code.NotFound);
      return { status };
    },
    async list() {
      const names = [...checks.keys()];
      const statuses = await Promise.all(names.map(async (name) => [name, { status: await statusOf(name) }] as const));
      return { statuses: Object.fromEntries(statuses) as Record<string, { status: Status }> };
    },
    async *watch({ service }, context) {
      const leave = takeSlot(networkOf(callOf(context).address));
      if (leave === undefined) throw watchesFull;
      const { signal } = context;
      const end = performance.now() + watchMaxMs;
      try {
        let last: Status | undefined;
        // The status is read once more after an abort: a server that stops says so first.
        for (;;) {
          const current = (await statusOf(service)) ?? Status.SERVICE_UNKNOWN;
          if (current !== last) yield { status: current };
          last = current;
          if (signal.aborted || performance.now() > end) throw cutShort(signal, "the watch ends here; call again");
          await delay(lookEveryMs, undefined, { signal }).catch(() => undefined);
        }
      } finally {
        leave();
      }
    },
  };
}
