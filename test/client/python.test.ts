import { cpSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hasCommand } from "../support/commands.ts";
import { example, project, sh, write } from "../support/consumer.ts";
import { colourfulness, redPicture } from "../support/red.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { serve, signIn } from "../support/server.ts";

/** Packages are fetched and code generated. */
const timeoutMs = 300_000;

test("a Python client generated from the protos develops a picture", { timeout: timeoutMs }, async ({ skip }) => {
  if (!hasCommand("python3")) skip("python3 is not installed");
  const server = await serve();
  const { username, password } = await signIn(server);
  const directory = scratchDirectory();
  cpSync(join(project, "proto"), join(directory, "proto"), { recursive: true });
  write(directory, { "me.png": await redPicture(), "main.py": example("Python", "py", server.url) });
  await sh("sh", ["-e", "-c", example("Python", "sh")], { cwd: directory });

  const run = (...args: string[]) => sh(join(directory, ".venv/bin/python"), ["main.py", ...args], { cwd: directory });
  await run(username, password, "me.png", "black and white", "out.png");
  expect(await colourfulness(join(directory, "out.png"))).toBeLessThan(50);

  const refused = await run(username, "a wrong one", "me.png", "sepia", "out.png").catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 1, stderr: "LOGIN_FAILED: the name or the password is wrong\n" });
  const failed = await run(username, password, "me.png", "qwertz", "out.png").catch((error: unknown) => error);
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringMatching(/^PROMPT_NOT_UNDERSTOOD: /) });
});
