import { createHook } from "node:async_hooks";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { IdleTimeout } from "../../src/adapters/image-service/idle-timeout.ts";
import { httpImageService } from "../../src/adapters/image-service/image-service.ts";
import { createLog } from "../../src/log/log.ts";
import { imageMaxBytes } from "../../src/model/image.ts";
import { ImageBrokenOff, type ImageService, ImageServiceUnavailable } from "../../src/ports/image-service.ts";
import { type Behaviour, serviceKey as key, startImageService } from "../support/image-service.ts";
import { paddedPng, smallPicture } from "../support/pictures.ts";

const log = createLog("silent");
const unavailable = { code: "unavailable", reason: "IMAGE_SERVICE_UNAVAILABLE", retryAfterMs: 1000 };
const refused = { code: "failed_precondition", reason: "IMAGE_SERVICE_REFUSED", retryAfterMs: undefined };

async function opened({ silenceMs = 20_000, behaviour = undefined as Behaviour | undefined } = {}) {
  const standIn = await startImageService();
  standIn.behave(behaviour);
  return { standIn, service: httpImageService({ url: standIn.url, key }, log, silenceMs) };
}

async function* pieces(bytes: Uint8Array, size = 100_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

async function read(service: ImageService, id = "img-1"): Promise<Buffer> {
  const found = await service.fetch(id);
  return buffer(found?.bytes ?? Readable.from([]));
}

const png = { "content-type": "image/png" };

describe("a picture at the image service", () => {
  test.each(["jpeg", "png", "webp"] as const)("is stored as %s and comes back", async (format) => {
    const { standIn, service } = await opened();
    const bytes = await smallPicture(format);
    const id = await service.store(`image/${format}`, pieces(bytes, 10));
    expect(standIn.pictures.get(id)).toEqual({ type: `image/${format}`, bytes: Buffer.from(bytes) });
    const found = await service.fetch(id);
    expect(found?.size).toBe(bytes.length);
    expect((await buffer(found?.bytes ?? Readable.from([]))).equals(bytes)).toBe(true);
    expect(standIn.violations).toEqual([]);
  });

  test("may have 20 MiB, and comes in pieces of at most 64 KiB", async () => {
    const { service } = await opened();
    const bytes = await paddedPng(imageMaxBytes);
    const found = await service.fetch(await service.store("image/png", pieces(bytes)));
    const sizes: number[] = [];
    for await (const piece of found?.bytes ?? []) sizes.push(piece.byteLength);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(65_536);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(imageMaxBytes);
  });

  test("that is not there is undefined", async () => {
    expect(await (await opened()).service.fetch("img-1")).toBeUndefined();
  });

  test.each([400, 404, 410, 422])("is not there where it is answered %i", async (status) => {
    const { service } = await opened({ behaviour: (_request, response) => void response.writeHead(status).end() });
    expect(await service.fetch("img-1")).toBeUndefined();
    await service.ping();
  });

  test("may come without its length", async () => {
    const bytes = await smallPicture();
    const chunked: Behaviour = (_request, response) => {
      response.writeHead(200, png).write(bytes.subarray(0, 5));
      response.end(bytes.subarray(5));
    };
    const { service } = await opened({ behaviour: chunked });
    const found = await service.fetch("img-1");
    expect(found?.size).toBeNull();
    expect((await buffer(found?.bytes ?? Readable.from([]))).equals(bytes)).toBe(true);
  });

  test("may come compressed, though we do not ask for it: its length is that of something else", async () => {
    const bytes = await smallPicture();
    const compressed: Behaviour = (_request, response) => {
      const body = gzipSync(bytes);
      response.writeHead(200, { ...png, "content-encoding": "gzip", "content-length": body.length }).end(body);
    };
    const { service } = await opened({ behaviour: compressed });
    const found = await service.fetch("img-1");
    expect(found?.size).toBeNull();
    expect((await buffer(found?.bytes ?? Readable.from([]))).equals(bytes)).toBe(true);
  });

  test("is let go of when its reader leaves", async () => {
    const closed = Promise.withResolvers<void>();
    const { service } = await opened({
      behaviour: (_request, response) => {
        response.once("close", closed.resolve);
        response.writeHead(200, png).write(Buffer.alloc(1000));
      },
    });
    for await (const _piece of (await service.fetch("img-1"))?.bytes ?? []) break;
    await closed.promise;
  });

  test("is waited for while its reader takes its time", async () => {
    const bytes = await paddedPng(3_000_000);
    const { standIn, service } = await opened({ silenceMs: 1000 });
    standIn.put(bytes, "image/png");
    let size = 0;
    for await (const piece of (await service.fetch("img-1"))?.bytes ?? []) {
      if (size === 0) await delay(2500);
      size += piece.byteLength;
    }
    expect(size).toBe(bytes.length);
  });
});

describe("a source that fails", () => {
  test.each([0, 1, 30])("after %i pieces leaves nothing at the service, and is told of", async (count) => {
    const { standIn, service } = await opened();
    const failure = new Error("the sender left");
    async function* failing(): AsyncGenerator<Uint8Array> {
      for (let piece = 0; piece < count; piece += 1) yield Buffer.alloc(100_000);
      throw failure;
    }
    await expect(service.store("image/png", failing())).rejects.toBe(failure);
    expect(standIn.pictures.size).toBe(0);
    if (count === 30) await vi.waitFor(() => expect(standIn.cutOff).toBe(1));
  });

  test("may be slow for longer than the service may", async () => {
    const { service } = await opened({ silenceMs: 1000 });
    const bytes = await smallPicture();
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 5);
      await delay(2500);
      yield bytes.subarray(5);
    }
    expect(await service.store("image/png", slow())).toBe("img-1");
  });
});

describe("an image service that cannot be used to read", () => {
  const ways: Readonly<Record<string, Behaviour>> = {
    fails: (_request, response) => void response.writeHead(500).end(),
    "refuses our key": (_request, response) => void response.writeHead(401).end(),
    "sends us elsewhere": (_request, response) => void response.writeHead(302, { location: "/download/img-2" }).end(),
    "closes the connection": (request) => void request.socket.destroy(),
  };

  test.each(Object.entries(ways))("since it %s", async (_what, behaviour) => {
    const { service } = await opened({ behaviour });
    await expect(read(service)).rejects.toMatchObject(unavailable);
    await expect(read(service)).rejects.toBeInstanceOf(ImageServiceUnavailable);
  });

  test("since it says nothing", async () => {
    const { service } = await opened({ behaviour: () => {}, silenceMs: 300 });
    await expect(read(service)).rejects.toMatchObject(unavailable);
  });
});

describe("a picture that the image service does not send to its end is told apart", () => {
  const ways: Readonly<Record<string, Behaviour>> = {
    "since the service leaves": (_request, response) => {
      response.writeHead(200, { ...png, "content-length": 1000 }).write(Buffer.alloc(10));
      setImmediate(() => response.destroy());
    },
    "since the service falls silent": (_request, response) => void response.writeHead(200, png).write(Buffer.alloc(10)),
    "since the service falls silent at once": (_request, response) => void response.writeHead(200, png).flushHeaders(),
  };

  test.each(Object.entries(ways))("%s", async (_what, behaviour) => {
    const { service } = await opened({ behaviour, silenceMs: 300 });
    const broken = read(service);
    await expect(broken).rejects.toBeInstanceOf(ImageBrokenOff);
    await expect(broken).rejects.toMatchObject({ ...unavailable, reason: "IMAGE_BROKEN_OFF" });
  });
});

describe("an image service that cannot be used to store", () => {
  const answers = (status: number, body: string): Behaviour => {
    return (request, response) => {
      request.resume().once("end", () => response.writeHead(status).end(body));
    };
  };
  const away: Readonly<Record<string, Behaviour>> = {
    fails: answers(500, ""),
    "does not know our key": answers(401, ""),
    "does not let us": answers(403, ""),
    "has too much to do": answers(429, ""),
    "sends us elsewhere": answers(307, ""),
    "answers too much": answers(201, `{"uuid":"img-1"}${" ".repeat(65_536)}`),
    "closes the connection": (request) => void request.socket.destroy(),
  };
  const refusing: Readonly<Record<string, Behaviour>> = {
    "has no such route": answers(404, ""),
    "lets nobody post": answers(405, ""),
    "cannot do that": answers(501, ""),
    "refuses before the body has come": (_request, response) => void response.writeHead(413).end(),
    "says 200": answers(200, `{"uuid":"img-1"}`),
    "names no picture": answers(201, "{}"),
    "answers null": answers(201, "null"),
    "answers no JSON": answers(201, "img-1"),
    "names what is no id": answers(201, `{"uuid":"../img-1"}`),
  };
  const ways = [
    ...Object.entries(away).map(([what, behaviour]) => [what, unavailable, behaviour] as const),
    ...Object.entries(refusing).map(([what, behaviour]) => [what, refused, behaviour] as const),
  ];

  test.each(ways)("since it %s", async (_what, error, behaviour) => {
    const { service } = await opened({ behaviour });
    const left = vi.fn();
    async function* watched() {
      try {
        yield* pieces(await paddedPng(5_000_000));
      } finally {
        left();
      }
    }
    await expect(service.store("image/png", watched())).rejects.toMatchObject(error);
    await vi.waitFor(() => expect(left).toHaveBeenCalled());
  });

  test("since it takes nothing", async () => {
    const { service } = await opened({ behaviour: () => {}, silenceMs: 300 });
    await expect(service.store("image/png", pieces(Buffer.alloc(50_000_000)))).rejects.toMatchObject(unavailable);
  });

  test("since nobody is there", async () => {
    const server = createServer();
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    const service = httpImageService({ url: `http://127.0.0.1:${port}`, key }, log);
    await expect(service.store("image/png", pieces(await smallPicture()))).rejects.toMatchObject(unavailable);
    await expect(service.fetch("img-1")).rejects.toMatchObject(unavailable);
    await expect(service.ping()).rejects.toThrow();
  });
});

test("a call that is over leaves no timer behind that would keep what it was given", async () => {
  const [hours, seen] = [new Set<number>(), vi.fn()];
  const hook = createHook({
    init(id, type, _trigger, timer) {
      if (type !== "Timeout" || Reflect.get(timer, "_idleTimeout") !== 60 * 60_000) return;
      seen();
      hours.add(id);
    },
    destroy: (id) => void hours.delete(id),
  }).enable();
  onTestFinished(() => void hook.disable());
  const { standIn, service } = await opened();
  await read(service, await service.store("image/png", pieces(await smallPicture("png"))));
  await service.ping();
  expect(await service.fetch("img-2")).toBeUndefined();
  standIn.behave((_request, response) => void response.writeHead(500).end());
  await expect(service.fetch("img-1")).rejects.toMatchObject(unavailable);
  await vi.waitFor(() => expect(hours.size).toBe(0));
  expect(seen).toHaveBeenCalledTimes(5);
});

test("a call may take an hour, however often something comes", () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const timeout = new IdleTimeout(10_000);
  for (let seconds = 0; seconds < 60 * 60; seconds += 1) {
    expect(timeout.signal.aborted).toBe(false);
    timeout.start();
    vi.advanceTimersByTime(1000);
  }
  expect(timeout.signal.aborted).toBe(true);
  timeout.end();
  expect(vi.getTimerCount()).toBe(0);
});

test("our key goes to the service alone", async () => {
  const elsewhere = vi.fn();
  const other = createServer((_request, response) => {
    elsewhere();
    response.end();
  });
  await once(other.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void other.close());
  const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`;
  const { service } = await opened({
    behaviour: (_request, response) => void response.writeHead(307, { location }).end(),
  });
  await expect(service.fetch("img-1")).rejects.toMatchObject(unavailable);
  await expect(service.store("image/png", pieces(await smallPicture()))).rejects.toMatchObject(unavailable);
  expect(elsewhere).not.toHaveBeenCalled();
});

test("a ping tells whether the service answers, and knows our key", async () => {
  const { standIn, service } = await opened();
  await service.ping();
  for (const status of [401, 500]) {
    standIn.behave((_request, response) => void response.writeHead(status).end());
    await expect(service.ping()).rejects.toThrow(String(status));
  }
});
