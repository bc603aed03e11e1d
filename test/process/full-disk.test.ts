import { expect, test, vi } from "vitest";
import { connect } from "../../src/client/index.ts";
import { smallPicture } from "../support/pictures.ts";
import { runCramped } from "../support/process.ts";
import { refusal } from "../support/refusals.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { signIn } from "../support/server.ts";

test("a server whose disk takes no more says so: to callers, to who asks for its health, and to its operator", async () => {
  const env = { PORT: "0", DARKROOM_DATA_DIR: scratchDirectory(), LOG_LEVEL: "error" };
  const server = runCramped(["serve", "--no-worker"], env, 800);
  const url = await server.printed(/listens on (\S+),/);
  const darkroom = connect(url);
  const { credential } = await signIn(darkroom);
  const { image } = await darkroom.jobs.uploadImage({ data: await smallPicture() }, credential);
  const wanted = { imageId: image?.id ?? "", prompt: "x".repeat(4000) };
  const fill = async () => {
    for (;;) await darkroom.jobs.submitImageJob(wanted, credential);
  };
  expect(await refusal(fill())).toMatchObject({ code: "Unavailable", reason: "DATABASE_UNAVAILABLE" });
  await vi.waitFor(async () => expect((await fetch(`${url}/health`)).status).toBe(503), 20_000);
  await vi.waitFor(() => expect(server.output.stderr).toContain("the disk takes nothing more"), 20_000);
  expect(server.output.stderr).not.toContain("a call failed unexpectedly");
});
