import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { project } from "../support/consumer.ts";

/** The port of a server that answers so. */
async function portOf(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close().closeAllConnections());
  return String((server.address() as AddressInfo).port);
}

const answered =
  (status: number): RequestListener =>
  ({ url }, response) =>
    void response.writeHead(url === "/health/live" ? status : 404).end();

test.each<[string, RequestListener, number]>([
  ["answers", answered(200), 0],
  ["answers that it is not well", answered(503), 1],
  ["breaks off", ({ socket }) => void socket.destroy(), 1],
  ["says nothing", () => {}, 1],
])("where a server listens that %s, its health is all that counts", async (_, server, code) => {
  const env = { PORT: await portOf(server), DARKROOM_WORKER_HEALTH_PORT: await portOf(answered(200)) };
  const check = execFile(process.execPath, [join(project, "deploy/health.ts")], { env });
  expect(await once(check, "exit")).toEqual([code, null]);
});
