import { expect, test } from "vitest";
import { describeOnFerretdb } from "../support/ferretdb.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { crash, describeOutcome } from "./crash.ts";
import { type Engines, embedded, production } from "./engines.ts";

/** `npm run test:crash` sets both. */
const seed = Number(process.env.CRASH_SEED ?? 1);
const ms = Number(process.env.CRASH_MINUTES ?? 0.25) * 60_000;
const timeout = ms + 300_000;

async function expectNothingLost(engines: Engines): Promise<void> {
  try {
    const outcome = await crash(engines, { seed, ms });
    process.stdout.write(describeOutcome(engines.name, seed, outcome));
    expect(outcome.wrong).toEqual([]);
    expect(outcome.crashes).toBeGreaterThan(3);
    expect(outcome.acknowledged).toBeGreaterThan(0);
  } finally {
    await engines.end();
  }
}

test(
  "nothing is lost on the embedded engines, whatever is killed",
  () => expectNothingLost(embedded(scratchDirectory())),
  timeout,
);

describeOnFerretdb("on the engines of production", (ferretdb) => {
  test(
    "nothing is lost, whatever is killed, dropped or away",
    async () => expectNothingLost(await production(scratchDirectory(), ferretdb, "crash")),
    timeout,
  );
});
