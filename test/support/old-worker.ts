import type { IncomingMessage, Queue, Settlement } from "../../src/ports/queue.ts";

/** As a message of the first system has it; an old worker knows no other field. */
interface OldMessage {
  readonly message_id: string;
  readonly uuid: string;
  readonly prompt: string;
  readonly prompt_guidance: number;
  readonly strength: number;
  readonly model_type: string;
  readonly token: string;
}

export interface OldWorkerOptions {
  readonly jobQueue: Queue;
  readonly resultQueue: Queue;
  /** Where pictures are: `IMAGE_SERVICE_URL`. */
  readonly imageService: string;
  /** What it sends in `Authorization`, by the message. */
  readonly authorization: (message: OldMessage) => string;
  /** Its model. */
  readonly develop: (picture: Buffer, message: OldMessage) => Promise<Uint8Array<ArrayBuffer>>;
}

/**
 * A GPU worker as the first system had them: JSON in bytes without a content type, one message at a time, no claim, no
 * heartbeat. What it cannot do it leaves in the queue.
 */
export function startOldWorker(options: OldWorkerOptions) {
  const { jobQueue, resultQueue } = options;
  const taken: OldMessage[] = [];
  async function handle({ body }: IncomingMessage): Promise<Settlement> {
    const message = JSON.parse(new TextDecoder().decode(body)) as OldMessage;
    taken.push(message);
    const uuid_processed = await develop(message, options);
    const result = Buffer.from(JSON.stringify({ message_id: message.message_id, uuid_processed }));
    await resultQueue.send([{ id: crypto.randomUUID(), body: result }]);
    return { kind: "complete" };
  }
  const consumer = jobQueue.consume(handle, { concurrency: 1 });
  return { taken, stop: () => consumer.stop() };
}

async function develop(message: OldMessage, { imageService, authorization, develop }: OldWorkerOptions) {
  const headers = { authorization: authorization(message) };
  const fetched = await fetch(`${imageService}/download/${message.uuid}`, { headers });
  if (fetched.status !== 200) throw new Error(`download answered ${fetched.status}`);
  const body = await develop(Buffer.from(await fetched.arrayBuffer()), message);
  const type = { "content-type": "image/png" };
  const stored = await fetch(`${imageService}/images`, { method: "POST", headers: { ...headers, ...type }, body });
  if (stored.status !== 201) throw new Error(`images answered ${stored.status}`);
  return ((await stored.json()) as { uuid: string }).uuid;
}
