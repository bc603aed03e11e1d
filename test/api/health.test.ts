import { once } from "node:events";
import { renameSync, statSync } from "node:fs";
import { Agent, get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test, vi } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/health/v1/health_pb.ts";
import { type ImageJob, State } from "../../src/client/index.ts";
import { watchesMax } from "../../src/rpc/services/health.ts";
import { smallPicture } from "../support/pictures.ts";
import { serve, signIn } from "../support/server.ts";

const patience = { timeout: 20_000, interval: 50 };

test("tells of each backend, to anybody, and nothing more", async () => {
  const { url } = await serve({}, { worker: false });
  for (const path of ["/health", "/health/ready"]) {
    const response = await fetch(url + path);
    expect([response.status, response.headers.get("cache-control")]).toEqual([200, "no-store"]);
    expect(await response.json()).toEqual({ status: "ok", backends: { database: "up", queue: "up" } });
  }
  expect(await (await fetch(`${url}/health/live`)).json()).toEqual({ status: "ok" });
});

test("while it stops, whoever is still connected is told so", async () => {
  const { app, url } = await serve({}, { worker: false });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const health = async () => {
    const [response]: IncomingMessage[] = await once(get(`${url}/health/ready`, { agent }), "response");
    return [response?.statusCode, response && (await json(response))];
  };
  expect(await health()).toMatchObject([200, { status: "ok" }]);
  const stopping = app.stop();
  expect(await health()).toMatchObject([503, { status: "stopping" }]);
  agent.destroy();
  await stopping;
});

test("while the queue's file is away, jobs are accepted, and developed once it is back", async () => {
  const server = await serve();
  const { url, jobs, dataDir } = server;
  const { credential } = await signIn(server);
  const { image } = await jobs.uploadImage({ data: await smallPicture() }, credential);
  const submit = () => jobs.submitImageJob({ imageId: image?.id ?? "", prompt: "sepia" }, credential);
  const ends = async ({ job }: { job?: ImageJob | undefined }) => {
    const polled = await jobs.pollImageJob({ jobId: job?.id ?? "", wait: { seconds: 60n } }, credential);
    expect(polled.job?.state).toBe(State.SUCCEEDED);
  };
  const health = createClient(Health, createGrpcTransport({ baseUrl: url }));
  const serving = async (service: string) => (await health.check({ service })).status === Status.SERVING;
  const backendsAre = (queue: string, status: string) =>
    vi.waitFor(async () => {
      const response = await fetch(`${url}/health`);
      const expected = { status, backends: { database: "up", queue } };
      expect([response.status, await response.json()]).toEqual([200, expected]);
    }, patience);

  // A worker that has yet to open the file would make another.
  await ends(await submit());
  await backendsAre("up", "ok");
  const [file, aside] = [join(dataDir, "queue.db"), join(dataDir, "aside")];
  renameSync(file, aside);
  await backendsAre("down", "degraded");
  const names = ["", "darkroom.live", "darkroom.backend.database", "darkroom.backend.queue"];
  expect(await Promise.all(names.map(serving))).toEqual([true, true, true, false]);
  const submitted = await submit();
  renameSync(aside, file);
  await backendsAre("up", "ok");
  expect(await serving("darkroom.backend.queue")).toBe(true);
  await ends(submitted);
});

test("without its database's file a server lives, and is not ready", async () => {
  const { url, dataDir } = await serve({}, { worker: false });
  const [file, aside] = [join(dataDir, "darkroom.db"), join(dataDir, "aside")];
  const becomes = (status: number, said: string) =>
    vi.waitFor(async () => {
      const response = await fetch(`${url}/health/ready`);
      expect([response.status, await response.json()]).toMatchObject([status, { status: said }]);
    }, patience);
  renameSync(file, aside);
  await becomes(503, "unavailable");
  expect((await fetch(`${url}/health/live`)).status).toBe(200);
  renameSync(aside, file);
  await becomes(200, "ok");
});

test("looks by writing, since a full disk can still be read", async () => {
  const { url, dataDir } = await serve({}, { worker: false });
  const sizes = () => ["darkroom.db-wal", "queue.db-wal"].map((file) => statSync(join(dataDir, file)).size);
  const before = sizes();
  await vi.waitFor(async () => {
    await fetch(`${url}/health`);
    expect(sizes().map((size, index) => size > Number(before[index]))).toEqual([true, true]);
  }, patience);
});

test("a watch sees a backend go and come back", async () => {
  const { url, dataDir } = await serve({}, { worker: false });
  const health = createClient(Health, createGrpcTransport({ baseUrl: url }));
  const [file, aside] = [join(dataDir, "queue.db"), join(dataDir, "aside")];
  const seen: Status[] = [];
  for await (const { status } of health.watch({ service: "darkroom.backend.queue" })) {
    seen.push(status);
    if (seen.length === 1) renameSync(file, aside);
    if (seen.length === 2) renameSync(aside, file);
    if (seen.length === 3) break;
  }
  expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING, Status.SERVING]);
});

test("an address has so many watches at a time, and gets a place back when one ends", async () => {
  const { url } = await serve({}, { worker: false });
  const { watch } = createClient(Health, createGrpcTransport({ baseUrl: url }));
  const open = async () => {
    const leave = new AbortController();
    const statuses = watch({}, { signal: leave.signal })[Symbol.asyncIterator]();
    await statuses.next();
    return leave;
  };
  const [one] = await Promise.all(Array.from({ length: watchesMax.each }, open));
  const full = await open().catch((error: unknown) => ConnectError.from(error));
  expect(full).toMatchObject({ code: Code.ResourceExhausted, rawMessage: expect.stringContaining("ask by Check") });
  one?.abort();
  await vi.waitFor(open, patience);
});
