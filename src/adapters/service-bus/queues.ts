import { setTimeout as delay } from "node:timers/promises";
import type { ServiceBusClient } from "@azure/service-bus";
import { closedInTime } from "../../helpers/closed-in-time.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";
import type { Queue } from "../../ports/queue.ts";
import { type Access, createClient } from "./client.ts";
import { isRefusal, reasonOf } from "./errors.ts";
import { serviceBusQueue } from "./queue.ts";

/** How long a start waits for a broker that is away, and how long between two tries. */
const startMs = 30_000;
const againMs = 500;

/** Opens a namespace's queues by one connection, once all named here have answered. Rejects with what an operator should do. */
export async function openQueues(
  {
    access,
    jobQueue,
    resultQueue,
    publishQueue,
    prefetch,
  }: {
    readonly access: Access;
    readonly jobQueue: string;
    readonly resultQueue: string;
    /** Where the first system's workers listen. */
    readonly publishQueue: string | undefined;
    readonly prefetch: number;
  },
  clock: Clock,
  log: Log,
) {
  const client = createClient(access);
  const close = () => closedInTime(client.close());
  const tooLate = AbortSignal.timeout(startMs);
  try {
    await Promise.race([
      reach(client, [jobQueue, resultQueue, publishQueue ?? []].flat(), tooLate, log),
      giveUp(client, tooLate),
    ]);
  } catch (error) {
    await close();
    throw error;
  }
  const opened = new Map<string, Queue>();
  const open = (name: string) =>
    opened.getOrInsertComputed(name, () => serviceBusQueue(client, name, { clock, log, prefetch }));
  const lookout = client.createReceiver(resultQueue);
  return {
    queue: open,
    jobQueue: open(jobQueue),
    resultQueue: open(resultQueue),
    async ping() {
      await lookout.peekMessages(1);
    },
    close,
  };
}

async function reach(
  client: ServiceBusClient,
  names: readonly string[],
  tooLate: AbortSignal,
  log: Log,
): Promise<void> {
  for (let tries = 1; !tooLate.aborted; tries += 1) {
    try {
      await Promise.all(names.map((name) => client.createReceiver(name).peekMessages(1)));
      return;
    } catch (error) {
      if (isRefusal(error)) throw new Error(`${reasonOf(error)}; ${advice(names)}`);
      if (tries === 1) log.warn({ reason: reasonOf(error) }, "Service Bus cannot be reached; waiting for it");
    }
    await delay(againMs);
  }
}

/** Rejects when `tooLate` aborts, even while a try of `reach` hangs. */
function giveUp({ fullyQualifiedNamespace }: ServiceBusClient, tooLate: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const message = `no Service Bus answers at ${fullyQualifiedNamespace}; start it, or correct the address`;
    tooLate.addEventListener("abort", () => reject(new Error(message)));
  });
}

function advice(names: readonly string[]): string {
  return `the queues ${names.join(" and ")} must be there, and the key or identity may send to each and listen at each`;
}
