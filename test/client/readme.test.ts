import { join } from "node:path";
import { expect, test } from "vitest";
import { hasCommand } from "../support/commands.ts";
import { consumer, example, sh, write } from "../support/consumer.ts";
import { colourfulness, redPicture } from "../support/red.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { serve } from "../support/server.ts";

test("the README's lines for a shell develop a picture", async ({ skip }) => {
  if (!hasCommand("grpcurl")) skip("grpcurl is not installed");
  const { url } = await serve();
  const directory = scratchDirectory();
  const picture = await redPicture("jpeg");
  write(directory, { "docs/images/before.jpg": picture, "lines.sh": example("Call it", "sh", url, "README.md") });
  await sh("sh", ["-e", "lines.sh"], { cwd: directory });
  expect(await colourfulness(join(directory, "after.jpg"))).toBeLessThan(50);
});

test("the README's TypeScript develops a picture", async () => {
  const { url, auth } = await serve();
  await auth.signUp({ username: "ada", password: "a-long-enough-one" });
  const directory = await consumer({ "main.mts": example("Call it", "ts", url, "README.md") });
  write(directory, { "me.jpg": await redPicture("jpeg") });
  await sh(process.execPath, ["main.mts"], { cwd: directory });
  expect(await colourfulness(join(directory, "developed.jpg"))).toBeLessThan(100);
});
