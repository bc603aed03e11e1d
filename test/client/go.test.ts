import { cpSync } from "node:fs";
import { delimiter, join } from "node:path";
import { expect, test } from "vitest";
import { hasCommand } from "../support/commands.ts";
import { example, project, sh, write } from "../support/consumer.ts";
import { colourfulness, redPicture } from "../support/red.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { serve, signIn } from "../support/server.ts";

/** Modules are fetched, code generated and compiled. */
const timeoutMs = 300_000;

test("a Go client generated from the protos develops a picture", { timeout: timeoutMs }, async ({ skip }) => {
  if (!hasCommand("go")) skip("go is not installed");
  const server = await serve();
  const { username, password } = await signIn(server);
  const directory = scratchDirectory();
  cpSync(join(project, "proto"), join(directory, "proto"), { recursive: true });
  write(directory, {
    "me.png": await redPicture(),
    "buf.gen.yaml": example("Go", "yaml"),
    "main.go": example("Go", "go", server.url),
  });
  // This project's buf is at hand; the commands fetch the same.
  const commands = example("Go", "sh").replace(/npx --yes @bufbuild\/buf@\S+/, "buf");
  const PATH = [join(project, "node_modules/.bin"), process.env.PATH].join(delimiter);
  await sh("sh", ["-e", "-c", commands], { cwd: directory, env: { ...process.env, PATH } });

  const run = (...args: string[]) => sh("./client", args, { cwd: directory });
  await run(username, password, "me.png", "black and white", "out.png");
  expect(await colourfulness(join(directory, "out.png"))).toBeLessThan(50);
  await expect(run(username, "a wrong one", "me.png", "sepia", "out.png")).rejects.toThrow("password is wrong");
});
