import { spawn } from "node:child_process";
import { expect, onTestFinished, test, vi } from "vitest";
import { State } from "../../src/client/index.ts";
import { hasCommand } from "../support/commands.ts";
import { example, sh, write } from "../support/consumer.ts";
import { smallPicture } from "../support/pictures.ts";
import { drain } from "../support/refusals.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { serve, signIn } from "../support/server.ts";
import { Broker } from "../support/service-bus-broker/broker.ts";

/** Packages are fetched. */
const timeoutMs = 300_000;
const page = "docs/workers.md";

test("a Python worker takes jobs from Service Bus by its own SDK", { timeout: timeoutMs }, async ({ skip }) => {
  if (!hasCommand("python3")) skip("python3 is not installed");
  const broker = new Broker({ queues: ["darkroom-jobs", "darkroom-results", "gpu-jobs"] });
  await broker.start();
  onTestFinished(() => broker.stop());
  const env = {
    AZURE_SERVICEBUS_CONNECTION_STRING: broker.connectionString,
    DARKROOM_MODELS: `{"sd": "gpu-jobs"}`,
  };
  const server = await serve(env, { worker: false });
  const { credential } = await signIn(server);
  const data = await smallPicture("jpeg");
  const { image } = await server.jobs.uploadImage({ data }, credential);
  const submit = async () => {
    const wish = { imageId: image?.id ?? "", prompt: "hello", modelType: "sd" };
    return (await server.jobs.submitImageJob(wish, credential)).job?.id ?? "";
  };
  const waiting = (count: number) =>
    vi.waitUntil(() => broker.queue("gpu-jobs").size === count, { timeout: 30_000, interval: 20 });
  const cancelled = await submit();
  await waiting(1);
  await server.jobs.cancelImageJob({ jobId: cancelled }, credential);
  const jobId = await submit();
  await waiting(2);

  const directory = scratchDirectory();
  write(directory, { "worker.py": example("Other workers", "py", server.url, page) });
  const commands = example("Other workers", "sh", server.url, page).trimEnd().split("\n");
  const start = commands.pop() ?? "";
  await sh("sh", ["-e", "-c", commands.join("\n")], { cwd: directory });
  const worker = spawn("sh", ["-c", `exec ${start}`], { cwd: directory, env: { ...process.env, ...env } });
  onTestFinished(() => void worker.kill());

  const { job } = await server.jobs.pollImageJob({ jobId, wait: { seconds: 60n } }, credential);
  expect(job).toMatchObject({ state: State.SUCCEEDED, attempt: 0 });
  const pieces = await drain(server.jobs.getImage({ imageId: job?.outputImageIds[0] ?? "" }, credential));
  expect(Buffer.concat(pieces.map((piece) => piece.data)).equals(data)).toBe(true);
  await waiting(0);
  expect(worker.exitCode).toBeNull();
});
