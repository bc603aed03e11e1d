import { Agent, request } from "node:http";
import { buffer } from "node:stream/consumers";
import { studio } from "../../src/worker/engines/studio/studio.ts";

/** The worker of http-jobs.ts. Arguments: the server's address, a task without its picture as JSON. */

export interface Job {
  readonly id: string;
}

const [, , url = "", json = ""] = process.argv;
const task = JSON.parse(json);
const agent = new Agent({ keepAlive: true });

function call(path: string, body?: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const sent = request(url + path, { method: body === undefined ? "GET" : "POST", agent }, (response) =>
      buffer(response).then(resolve, reject),
    );
    sent.on("error", reject).end(body);
  });
}

process.on("message", async (job: Job) => {
  const [picture] = await Promise.all([call("/picture"), call("/claim", Buffer.alloc(0))]);
  const images = await studio.develop({ ...task, picture }, () => {}, new AbortController().signal);
  for (const image of images) await call("/upload", image);
  process.send?.(job);
});
process.on("disconnect", () => process.exit());
process.send?.({ id: "" } satisfies Job);
