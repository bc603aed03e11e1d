import { createClient } from "@connectrpc/connect";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { ImageJobService } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { recordingLog } from "../support/log.ts";
import { refusal } from "../support/refusals.ts";
import { openRpcPort } from "../support/rpc-port.ts";
import { protocols } from "../support/transports.ts";

/** The first is too late for JSON, and the second for no 32 bits. */
const job = { createTime: { seconds: 253_402_300_800n, nanos: 0.5 } };

async function open() {
  const log = recordingLog();
  const { method } = ImageJobService;
  const port = await openRpcPort({
    routes: (router) =>
      void router
        .rpc(method.pollImageJob, () => ({ job }))
        .rpc(method.watchImageJob, async function* () {
          yield { job };
        }),
    fast: true,
    log,
  });
  onTestFinished(() => port.drain(0));
  return { url: `http://127.0.0.1:${port.address.port}`, log };
}

describe.each(protocols)("an answer that cannot be put into words, over $name", ({ open: transport }) => {
  test.each(["pollImageJob", "watchImageJob"] as const)("is logged, and says nothing: %s", async (name) => {
    const { url, log } = await open();
    const headers = { "x-request-id": "q-1" };
    const jobs = createClient(ImageJobService, transport(url));
    const call =
      name === "pollImageJob"
        ? jobs.pollImageJob({}, { headers })
        : jobs.watchImageJob({}, { headers })[Symbol.asyncIterator]().next();
    expect(await refusal(call)).toMatchObject({
      code: "Internal",
      reason: "INTERNAL",
      message: "internal error; quote request id q-1",
    });
    expect(log.lines.filter(({ level }) => level === "error")).toEqual([
      {
        level: "error",
        fields: { err: expect.objectContaining({ message: expect.stringContaining("Timestamp") }), request_id: "q-1" },
        message: "a call failed unexpectedly",
      },
    ]);
    const line = await vi.waitUntil(() => log.lines.find(({ message }) => message === "request"));
    expect(line.fields.outcome).toBe("Internal");
  });
});
