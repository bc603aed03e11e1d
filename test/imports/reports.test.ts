import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { reports } from "../../src/imports/reports.ts";
import { recordingLog } from "../support/log.ts";

test("an import that is ended early waits for what was begun", async () => {
  const rows = Array.from({ length: 100 }, (_, n) => ({ place: `line ${n}`, values: {} }));
  const count = { begun: 0, ended: 0 };
  const take = async () => {
    count.begun += 1;
    await setImmediate();
    count.ended += 1;
    return { outcome: "left", reason: "" } as const;
  };
  for await (const { place } of reports(rows, take, recordingLog())) {
    expect(place).toBe("line 0");
    break;
  }
  expect(count.begun).toBeLessThan(rows.length);
  expect(count.ended).toBe(count.begun);
});
