import { fork } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { openInserts } from "../support/inserts.ts";
import type { Job } from "./http-jobs-worker.ts";

/**
 * The least that lies between a caller and an engine in a process of its own: a job is stored, told to the worker, claimed,
 * its picture fetched and developed, the result uploaded, the end stored and told to the caller. What is stored is durable;
 * nothing is checked. Arguments: a directory, a picture's file, a task without its picture as JSON.
 */

const [directory = "", pictureFile = "", task = ""] = process.argv.slice(2);
const insert = openInserts(directory);
const picture = readFileSync(pictureFile);
const ended = new Map<string, PromiseWithResolvers<void>>();

async function upload(bytes: Buffer): Promise<void> {
  await using file = await open(join(directory, randomUUID()), "wx");
  await file.writeFile(bytes);
  await using folder = await open(directory);
  await Promise.all([file.sync(), folder.sync()]);
  insert(["uploaded"]);
}

async function answer(request: IncomingMessage): Promise<string | Buffer> {
  const [, call, id = ""] = (request.url ?? "").split("/");
  if (call === "picture") return picture;
  const body = await buffer(request);
  if (call === "submit") return submit();
  if (call === "claim") insert(["claimed"]);
  if (call === "upload") await upload(body);
  if (call === "poll") await ended.get(id)?.promise;
  return "";
}

function submit(): string {
  const id = randomUUID();
  insert(["submitted"]);
  ended.set(id, Promise.withResolvers());
  setImmediate(() => worker.send({ id } satisfies Job));
  return id;
}

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await answer(request);
  response.writeHead(200, { "content-length": Buffer.byteLength(body) });
  response.end(body);
}

const server = createServer((request, response) => void respond(request, response));
server.listen(0, "127.0.0.1");
await once(server, "listening");
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const worker = fork(join(import.meta.dirname, "http-jobs-worker.ts"), [url, task]);
worker.on("message", ({ id }: Job) => {
  insert(["ended"]);
  ended.get(id)?.resolve();
});
await once(worker, "message");
process.stdout.write(`listens on ${url}\n`);
process.on("disconnect", () => process.exit());
