import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, vi } from "vitest";
import { openQueues } from "../../src/app/backends.ts";
import { createLog } from "../../src/log/log.ts";
import { decodeJob, type JobMessage } from "../../src/model/queue-messages.ts";
import { complete } from "../../src/ports/queue.ts";

export interface WorkerQueues {
  /** The job's message with this dispatch number, once it was sent. */
  message(jobId: string, dispatch?: number): Promise<JobMessage>;
  /** Puts a result, or what claims to be one, into the result queue; its id in the queue. */
  send(body: object | string): Promise<string>;
  /** Resolves when the server has read the result of this id, and did not put it aside. */
  settled(id: string): Promise<void>;
  /** Why the result of this id was put aside, once it was. */
  putAside(id: string): Promise<string>;
}

const timeout = 30_000;

/** What a worker sees of a server's queues, for all tests of the file. It takes every job's message, and no job. */
export async function openWorkerQueues(dataDir: string): Promise<WorkerQueues> {
  const queues = await openQueues({ dataDir, serviceBus: undefined }, Date.now, createLog("silent"));
  const messages: JobMessage[] = [];
  const aside = new Map<string, string>();
  const consumers = [
    queues.jobQueue.consume(
      async ({ body }) => {
        messages.push(decodeJob(body));
        return complete;
      },
      { concurrency: 16 },
    ),
    queues.resultQueue.consumeDeadLetters(async ({ id, reason }) => {
      aside.set(id, reason);
      return complete;
    }),
  ];
  const file = new DatabaseSync(join(dataDir, "queue.db"), { readOnly: true });
  const isQueued = file.prepare("SELECT 1 FROM messages WHERE id = ?");
  afterAll(async () => {
    file.close();
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    await queues.close();
  });

  return {
    message: (jobId, dispatch = 1) =>
      vi.waitUntil(() => messages.find((message) => message.message_id === jobId && message.dispatch === dispatch), {
        timeout,
        interval: 20,
      }),
    async send(body) {
      const id = randomUUID();
      await queues.resultQueue.send([
        { id, body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)) },
      ]);
      return id;
    },
    async settled(id) {
      await vi.waitUntil(() => isQueued.get(id) === undefined, { timeout, interval: 20 });
      if (aside.has(id)) throw new Error(`the result was put aside: ${aside.get(id)}`);
    },
    putAside: (id) => vi.waitUntil(() => aside.get(id), { timeout, interval: 20 }),
  };
}
