import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import sharp from "sharp";
import { onTestFinished } from "vitest";

export type Behaviour = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

export interface ImageServiceStandIn {
  readonly url: string;
  readonly pictures: Map<string, { type: string | undefined; bytes: Buffer }>;
  /** What a strict service would not have taken; a test ends with none. */
  readonly violations: string[];
  /** Uploads that broke off before they were whole. */
  readonly cutOff: number;
  /** Puts a picture there as a front end of the first system does, without us; its id. Without a type it is sent so. */
  put(bytes: Uint8Array, type: string | undefined): string;
  /** Answers everything by itself from now on; undefined for the usual way. */
  behave(behaviour: Behaviour | undefined): void;
  /** While true, connections are closed as they come. */
  away: boolean;
}

export const serviceKey = "the-image-service's-key";

/** The first system's image service: the key as it is, ids as `img-1`, and nothing else than its two routes. */
export async function startImageService(): Promise<ImageServiceStandIn> {
  const pictures: ImageServiceStandIn["pictures"] = new Map();
  const violations: string[] = [];
  let behaviour: Behaviour | undefined;
  let cutOff = 0;

  const put = (bytes: Uint8Array, type: string | undefined) => {
    const uuid = `img-${pictures.size + 1}`;
    pictures.set(uuid, { type, bytes: Buffer.from(bytes) });
    return uuid;
  };

  async function store(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const bytes = await buffer(request).catch(() => undefined);
    if (bytes === undefined) {
      cutOff += 1;
      return;
    }
    const type = request.headers["content-type"] ?? "";
    const { format } = await sharp(bytes).metadata();
    if (type !== `image/${format}`) return refuse(response, 415, `a ${format} as ${type}`);
    const body = JSON.stringify({ uuid: put(bytes, type) });
    response.writeHead(201, { "content-type": "application/json" }).end(body);
  }

  function download(uuid: string, response: ServerResponse): void {
    const picture = pictures.get(uuid);
    if (picture === undefined) return void response.writeHead(404).end("not found");
    if (picture.type !== undefined) response.setHeader("content-type", picture.type);
    response.writeHead(200, { "content-length": picture.bytes.length }).end(picture.bytes);
  }

  function refuse(response: ServerResponse, status: number, violation: string): void {
    violations.push(violation);
    response.writeHead(status).end();
  }

  const server = createServer(async (request, response) => {
    if (service.away) return void request.socket.destroy();
    if (request.headers.authorization !== serviceKey) return refuse(response, 401, "another key");
    if (behaviour !== undefined) return behaviour(request, response);
    const [, uuid] = /^\/download\/([\w-]{1,64})$/.exec(request.url ?? "") ?? [];
    if (request.method === "GET" && uuid !== undefined) return download(uuid, response);
    if (request.method === "POST" && request.url === "/images") return store(request, response);
    refuse(response, 404, `${request.method} ${request.url}`);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const service: ImageServiceStandIn = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    pictures,
    violations,
    get cutOff() {
      return cutOff;
    },
    put,
    behave(next) {
      behaviour = next;
    },
    away: false,
  };
  return service;
}
