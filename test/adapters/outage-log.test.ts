import { expect, test, vi } from "vitest";
import { OutageLog } from "../../src/adapters/service-bus/outage-log.ts";
import { recordingLog } from "../support/log.ts";

test("a queue that shows its messages while its receivers fail is not told to be back", async () => {
  const log = recordingLog();
  let looks = 0;
  const lookout = {
    isClosed: false,
    async peekMessages() {
      looks += 1;
      if (looks === 1) outageLog.failed(new Error("refused"));
      return [];
    },
  };
  const outageLog = new OutageLog({ queue: "jobs", lookout, log });
  outageLog.failed(new Error("refused"));
  await vi.waitUntil(() => log.lines.length > 1, { timeout: 30_000 });
  expect(looks).toBe(2);
  expect(log.lines.map(({ message }) => message)).toEqual([
    "the queue failed; it is tried again until it answers",
    "the queue answers again",
  ]);
});
