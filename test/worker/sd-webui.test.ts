import { setTimeout } from "node:timers/promises";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { readServerConfig, readWorkerConfig } from "../../src/config/config.ts";
import type { Task } from "../../src/worker/engine.ts";
import { listModels } from "../../src/worker/engines/catalogue.ts";
import { createSdWebui } from "../../src/worker/engines/sd-webui/sd-webui.ts";
import { answer, type Behaviour, fine, startSdWebui } from "../support/sd-webui-server.ts";
import { engineErrorOf } from "./engine-error.ts";

const never = new AbortController().signal;
const credentials = "operator:top-secret";

function picture(width: number, height: number, channels: 3 | 4 = 3): Promise<Buffer> {
  const background = { r: 200, g: 80, b: 40, alpha: 0.5 };
  return sharp({ create: { width, height, channels, background } }).png().toBuffer();
}

const small = await picture(96, 64);
const wish: Task = { picture: small, prompt: "as if in oil", promptGuidance: 9, strength: 0.6, seed: 3, imageCount: 1 };

/** An engine, and the server that it calls, with nothing that the server would not have taken when the test ends. */
async function start({ auth = "", timeoutMs = 30_000 } = {}) {
  const server = await startSdWebui(auth || undefined);
  const engine = createSdWebui({ url: server.url, timeoutMs, credentials: auth || undefined });
  const develop = (changes: Partial<Task> = {}, report: (progress: number) => void = () => {}, signal = never) =>
    engine.develop({ ...wish, ...changes }, report, signal);
  return { server, engine, develop };
}

/** Until the request is interrupted or hung up: what a server does that works long. */
const slow: Behaviour = () => {};

describe("what is asked for", () => {
  test("the picture, the prompt and the numbers, under the server's names", async () => {
    const { server, develop } = await start();
    const [result] = await develop();
    expect(server.violations).toEqual([]);
    const { picture: sent, ...rest } = server.asked[0] ?? { picture: Buffer.alloc(0) };
    expect(rest).toMatchObject({ prompt: "as if in oil", cfg_scale: 9, denoising_strength: 0.6, seed: 3, n_iter: 1 });
    expect((await sharp(sent).raw().toBuffer()).equals(await sharp(small).raw().toBuffer())).toBe(true);
    expect(await sharp(result).metadata()).toMatchObject({ format: "png", width: 96, height: 64 });
  });

  test("several pictures, in order, and no more than were asked for", async () => {
    const { server, develop } = await start();
    server.behave((response, images) => fine(response, [...images, images[0] ?? ""]));
    const results = await develop({ imageCount: 3, seed: 7 });
    const greys = results.map(async (result) => (await sharp(result).stats()).channels[0]?.mean);
    expect(await Promise.all(greys)).toEqual([7, 8, 9]);
    expect(server.violations).toEqual([]);
  });

  test.each([
    [4000, 3000, 3, 1184, 888],
    [3, 5, 3, 64, 104],
    [20, 4000, 3, 64, 2048],
    [101, 99, 4, 104, 96],
  ] as const)("%d × %d pixels with %d channels go as %d × %d", async (width, height, channels, toWidth, toHeight) => {
    const { server, develop } = await start();
    await develop({ picture: await picture(width, height, channels) });
    expect(server.violations).toEqual([]);
    expect(server.asked[0]).toMatchObject({ width: toWidth, height: toHeight });
  });

  test("upright, with white behind what is transparent, and the edges of every range", async () => {
    const { server, develop } = await start();
    const turned = await sharp(await picture(80, 120, 4))
      .webp({ lossless: true })
      .withMetadata({ orientation: 6 })
      .toBuffer();
    await develop({ picture: turned, promptGuidance: 0, strength: 0, seed: 0 });
    await develop({ promptGuidance: 30, strength: 1, seed: 2 ** 32 - 1, imageCount: 4 });
    expect(server.violations).toEqual([]);
    expect(server.asked[0]).toMatchObject({ width: 120, height: 80 });
    const { channels } = await sharp(server.asked[0]?.picture).stats();
    for (const [at, value] of [228, 168, 148].entries()) expect(channels[at]?.mean).toBeCloseTo(value, -0.5);
  });

  test("a picture that cannot be decoded is not sent", async () => {
    const { server, develop } = await start();
    expect((await engineErrorOf(develop({ picture: small.subarray(0, 60) }))).reason).toBe("PICTURE_UNREADABLE");
    expect(server.events).toEqual([]);
  });

  test("credentials go along, and are told to nobody", async () => {
    const { server, develop } = await start({ auth: credentials });
    await develop();
    expect(server.violations).toEqual([]);
    const wrong = createSdWebui({ url: server.url, timeoutMs: 5000, credentials: "operator:wrong-one" });
    const error = await engineErrorOf(wrong.develop(wish, () => {}, never));
    expect(error).toMatchObject({ reason: "IMAGE_SERVER_REFUSED", retryable: false });
    expect(error.message).toMatch(/credentials/);
    expect(error.message).not.toMatch(/wrong-one|127\.0\.0\.1/);
  });
});

describe("progress and stopping", () => {
  test("progress is the server's, then 1", async () => {
    const { server, develop } = await start();
    server.behave(async (response, images) => {
      await server.seen("progress");
      await server.seen("progress");
      await fine(response, images);
    });
    const reports: number[] = [];
    await develop({}, (progress) => reports.push(progress));
    expect(reports.slice(0, 2)).toEqual([0.1, 0.2]);
    expect(reports.at(-1)).toBe(1);
    expect(reports.filter((progress) => progress === 1)).toHaveLength(1);
  });

  test("what the server says is no progress, or is all of it, is not told", async () => {
    const { server, develop } = await start();
    server.progress = [1, "half", 0.3];
    server.behave(async (response, images) => {
      while (server.progress.length > 0) await server.seen("progress");
      await fine(response, images);
    });
    const reports: number[] = [];
    await develop({}, (progress) => reports.push(progress));
    expect(reports).toEqual([0.3, 1]);
  });

  test("an abort interrupts the server, and throws its reason", async () => {
    const { server, develop } = await start();
    server.behave(async (response, images) => {
      await server.seen("interrupt");
      await fine(response, images);
    });
    const reason = new Error("cancelled");
    const controller = new AbortController();
    const begun = server.seen("begin");
    const work = develop({}, () => {}, controller.signal);
    work.catch(() => {});
    await begun;
    controller.abort(reason);
    await expect(work).rejects.toBe(reason);
    expect(server.events.filter((event) => event === "interrupt")).toHaveLength(1);
  });

  test("an interrupt that does not help is repeated, and then the connection is closed", async () => {
    const { server, develop } = await start();
    server.behave(slow);
    const controller = new AbortController();
    const begun = server.seen("begin");
    const ended = server.seen("end");
    const work = develop({}, () => {}, controller.signal);
    work.catch(() => {});
    await begun;
    controller.abort(new Error("stopped"));
    await expect(work).rejects.toThrow("stopped");
    await ended;
    expect(server.events.filter((event) => event === "interrupt").length).toBeGreaterThan(1);
  });

  test("nothing is sent for a task that was aborted before, or while it waited for its turn", async () => {
    const { server, develop } = await start();
    server.behave(slow);
    await expect(develop({}, () => {}, AbortSignal.abort(new Error("early")))).rejects.toThrow("early");
    const [first, second] = [new AbortController(), new AbortController()];
    const begun = server.seen("begin");
    const running = develop({}, () => {}, first.signal);
    const waiting = develop({ seed: 99 }, () => {}, second.signal);
    running.catch(() => {});
    waiting.catch(() => {});
    await begun;
    const third = develop({ seed: 5 });
    second.abort(new Error("second"));
    await expect(waiting).rejects.toThrow("second");
    expect(server.events).not.toContain("interrupt");
    // It is still the first's turn, though the one before the third has left.
    for (let times = 0; times < 2; times += 1) await server.seen("progress");
    expect(server.asked).toHaveLength(1);
    server.behave(fine);
    first.abort(new Error("first"));
    await expect(running).rejects.toThrow("first");
    await third;
    expect(server.asked.map(({ seed }) => seed)).toEqual([3, 5]);
  });

  test("a server that takes too long is interrupted", async () => {
    const { server, develop } = await start({ timeoutMs: 300 });
    server.behave(slow);
    const error = await engineErrorOf(develop());
    expect(error).toMatchObject({ reason: "IMAGE_SERVER_TIMEOUT", retryable: true });
    expect(error.message).toMatch(/0\.3 seconds/);
    expect(server.events).toContain("interrupt");
  });
});

describe("what may go wrong", () => {
  const status =
    (code: number, body: unknown): Behaviour =>
    (response) =>
      answer(response, body, code);
  const json = (text: string): Behaviour => {
    return (response) => void response.writeHead(200, { "content-type": "application/json" }).end(text);
  };
  const images = (change: (images: readonly string[]) => unknown): Behaviour => {
    return (response, all) => answer(response, { images: change(all), parameters: {}, info: "{}" });
  };
  const secret = "/home/operator/model.safetensors at 10.1.2.3";
  const outOfMemory = { error: "OutOfMemoryError", detail: "", body: "", errors: "CUDA out of memory" };

  const cut: Behaviour = async (response, all) => {
    response.writeHead(200, { "content-type": "application/json", "content-length": "100000" });
    response.write(`{"images": ["${all[0]?.slice(0, 20)}`);
    await setTimeout(20);
    response.destroy();
  };
  const endless: Behaviour = (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const more = () => {
      while (response.writable && response.write("A".repeat(1024 * 1024)));
    };
    response.on("drain", more);
    response.write('{"images": ["');
    more();
  };

  test.each<[string, Behaviour, string, boolean, RegExp]>([
    ["500 with a detail", status(500, { error: "RuntimeError", errors: secret }), "FAILED", true, /failed to make/],
    ["memory that runs out", status(500, outOfMemory), "FAILED", false, /ran out of memory/],
    ["502 of a proxy", status(502, "<html>"), "UNAVAILABLE", true, /busy or not running/],
    ["503", status(503, {}), "UNAVAILABLE", true, /busy or not running/],
    ["429", status(429, {}), "UNAVAILABLE", true, /busy or not running/],
    ["504", status(504, {}), "UNAVAILABLE", true, /busy or not running/],
    ["403", status(403, {}), "REFUSED", false, /credentials/],
    ["404: no such API", status(404, { detail: "Not Found" }), "REFUSED", false, /HTTP 404/],
    ["413", status(413, {}), "REFUSED", false, /too large/],
    ["422", status(422, { detail: [{ msg: secret }] }), "REFUSED", false, /HTTP 422/],
    ["a redirect", status(302, {}), "REFUSED", false, /HTTP 302/],
    [
      "a page",
      (response) => void response.setHeader("content-type", "text/html").end("<p>"),
      "ANSWER_INVALID",
      false,
      /JSON/,
    ],
    ["half of a JSON", json('{"images": ['), "ANSWER_INVALID", false, /not JSON/],
    ["JSON of another kind", json("null"), "ANSWER_INVALID", false, /no picture/],
    ["no images", images(() => null), "ANSWER_INVALID", false, /no picture/],
    ["an empty list", images(() => []), "ANSWER_INVALID", false, /no picture/],
    ["broken base64", images(([one]) => [`${one?.slice(0, 40)}*${one?.slice(40)}`]), "ANSWER_INVALID", false, /broken/],
    ["a number for a picture", images(() => [1]), "ANSWER_INVALID", false, /broken/],
    ["a text for a picture", images(() => [btoa(secret)]), "ANSWER_INVALID", false, /no JPEG/],
    ["half of a picture", images(([one]) => [one?.slice(0, 80)]), "ANSWER_INVALID", false, /no JPEG/],
    ["a connection that is cut", cut, "UNAVAILABLE", true, /was lost/],
    ["a connection that is closed at once", (response) => void response.destroy(), "UNAVAILABLE", true, /was lost/],
    ["an answer without end", endless, "ANSWER_INVALID", false, /larger/],
  ])("%s", async (_what, behaviour, reason, retryable, words) => {
    const { server, develop } = await start();
    server.behave(behaviour);
    const error = await engineErrorOf(develop());
    expect(error).toMatchObject({ reason: `IMAGE_SERVER_${reason}`, retryable });
    expect(error.message).toMatch(words);
    expect(error.message).not.toMatch(/127\.0\.0\.1|operator\/|10\.1\.2\.3/);
    server.behave(fine);
    expect(await develop()).toHaveLength(1);
  });

  test("fewer pictures than were asked for", async () => {
    const { server, develop } = await start();
    server.behave(images((all) => all.slice(0, 2)));
    expect((await engineErrorOf(develop({ imageCount: 3 }))).message).toMatch(/only 2 of the 3/);
  });

  test("a picture of more than 20 MiB", async () => {
    const { server, develop } = await start();
    server.behave(images(() => [Buffer.alloc(20 * 1024 * 1024 + 1).toString("base64")]));
    expect((await engineErrorOf(develop())).reason).toBe("RESULT_TOO_LARGE");
  });

  test("JPEG, WebP and data URLs are as good", async () => {
    const { server, develop } = await start();
    for (const format of ["jpeg", "webp"] as const) {
      const bytes = await sharp(small).toFormat(format).toBuffer();
      server.behave(images(() => [`data:image/${format};base64,${bytes.toString("base64")}`]));
      expect(Buffer.from((await develop())[0] ?? []).equals(bytes)).toBe(true);
    }
  });

  test("nobody listens", async () => {
    const engine = createSdWebui({ url: "http://127.0.0.1:9", timeoutMs: 5000, credentials });
    const error = await engineErrorOf(engine.develop(wish, () => {}, never));
    expect(error).toMatchObject({ reason: "IMAGE_SERVER_UNAVAILABLE", retryable: true });
    expect(error.message).toMatch(/cannot be reached/);
    expect(error.message).not.toMatch(/127\.0\.0\.1|secret/);
  });
});

describe("configuration", () => {
  const read = (env: Record<string, string>) =>
    readWorkerConfig({ DARKROOM_SERVER_URL: "http://127.0.0.1:1", ...env }).engines.sdWebui;

  test("without an address there is no such model; with one, servers and workers read the same", () => {
    expect(read({ SD_WEBUI_TIMEOUT_SECONDS: "5" })).toBeUndefined();
    expect(listModels({ sdWebui: undefined }).map(({ name }) => name)).not.toContain("sd-webui");
    const env = { SD_WEBUI_URL: "https://gpu.example/sd/", SD_WEBUI_API_AUTH: "me:a:b" };
    const settings = { url: "https://gpu.example/sd", timeoutMs: 600_000, credentials: "me:a:b" };
    expect(read(env)).toEqual(settings);
    expect(readServerConfig(env).engines).toEqual({ sdWebui: settings });
    expect(listModels({ sdWebui: settings }).map(({ name }) => name)).toContain("sd-webui");
    expect(read({ SD_WEBUI_URL: "http://127.0.0.1:7860", SD_WEBUI_TIMEOUT_SECONDS: "5" })).toMatchObject({
      url: "http://127.0.0.1:7860",
      timeoutMs: 5000,
    });
  });

  test.each([
    ["SD_WEBUI_URL", { SD_WEBUI_URL: "gpu:7860" }],
    ["SD_WEBUI_URL", { SD_WEBUI_URL: "ftp://gpu" }],
    ["SD_WEBUI_URL", { SD_WEBUI_URL: "http://me:pw@gpu:7860" }],
    ["SD_WEBUI_URL", { SD_WEBUI_URL: "http://gpu:7860/?key=1" }],
    ["SD_WEBUI_TIMEOUT_SECONDS", { SD_WEBUI_URL: "http://gpu", SD_WEBUI_TIMEOUT_SECONDS: "0" }],
    ["SD_WEBUI_API_AUTH", { SD_WEBUI_URL: "http://gpu", SD_WEBUI_API_AUTH: "me" }],
    ["SD_WEBUI_API_AUTH", { SD_WEBUI_URL: "http://gpu", SD_WEBUI_API_AUTH: "me:" }],
    ["SD_WEBUI_API_AUTH", { SD_WEBUI_API_AUTH: "me:pw" }],
  ])("%s is refused in %o", (variable, env) => {
    expect(() => read(env)).toThrow(new RegExp(`^${variable}: `));
  });
});
