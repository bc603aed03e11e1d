import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import sharp from "sharp";
import { onTestFinished } from "vitest";

/** How the next pictures are answered; the rest of the API goes on working. */
export type Behaviour = (response: ServerResponse, images: readonly string[]) => void | Promise<void>;

export interface Img2img {
  readonly prompt: string;
  readonly cfg_scale: number;
  readonly denoising_strength: number;
  readonly seed: number;
  readonly n_iter: number;
  readonly width: number;
  readonly height: number;
  /** As decoded from the request. */
  readonly picture: Buffer;
}

export interface SdWebuiStandIn {
  readonly url: string;
  /** What was asked for, in order. */
  readonly asked: Img2img[];
  /** What a strict server would not have taken; a test ends with none. */
  readonly violations: string[];
  /** `begin` and `end` of each request for pictures, `interrupt`, `progress`. */
  readonly events: string[];
  /** What is said of the progress next; when all is said, it goes on by tenths. */
  progress: unknown[];
  behave(behaviour: Behaviour): void;
  /** Resolves at the next event of this name. */
  seen(event: string): Promise<void>;
}

export const answer = (response: ServerResponse, body: unknown, status = 200) =>
  void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));

export const fine: Behaviour = (response, images) => answer(response, { images, parameters: {}, info: "{}" });

const fields: Readonly<Record<string, (value: unknown) => boolean>> = {
  init_images: (value) => Array.isArray(value) && value.length === 1 && typeof value[0] === "string",
  prompt: (value) => typeof value === "string" && value.length > 0,
  cfg_scale: (value) => typeof value === "number" && value >= 0 && value <= 30,
  denoising_strength: (value) => typeof value === "number" && value >= 0 && value <= 1,
  seed: (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 32,
  n_iter: (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 4,
  batch_size: (value) => value === 1,
  width: isSide,
  height: isSide,
  send_images: (value) => value === true,
  save_images: (value) => value === false,
};

function isSide(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 64 && Number(value) <= 2048 && Number(value) % 8 === 0;
}

/** A server with AUTOMATIC1111's API, as strict as can be, that misbehaves on command. */
export async function startSdWebui(credentials?: string): Promise<SdWebuiStandIn> {
  const expected = credentials && `Basic ${Buffer.from(credentials).toString("base64")}`;
  const asked: Img2img[] = [];
  const violations: string[] = [];
  const events: string[] = [];
  const waiting: { event: string; resolve: () => void }[] = [];
  let behaviour = fine;
  let polls = 0;

  const happen = (event: string) => {
    events.push(event);
    for (const each of waiting) if (each.event === event) each.resolve();
  };

  async function img2img(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(request, violations);
    if (body === undefined) return answer(response, { error: "HTTPException", detail: "invalid" }, 422);
    asked.push(body);
    const images = await draw(body);
    response.once("close", () => happen("end"));
    happen("begin");
    await behaviour(response, images);
  }

  const routes: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void | Promise<void>>> =
    {
      "POST /sdapi/v1/img2img": img2img,
      "GET /sdapi/v1/progress?skip_current_image=true": (_request, response) => {
        polls += 1;
        happen("progress");
        const progress = standIn.progress.shift() ?? Math.min(0.9, polls / 10);
        answer(response, { progress, eta_relative: 1, state: {}, current_image: null });
      },
      "POST /sdapi/v1/interrupt": (_request, response) => {
        happen("interrupt");
        answer(response, {});
      },
    };

  const server = createServer((request, response) => {
    if (request.headers.authorization !== expected) return answer(response, { detail: "Not authenticated" }, 401);
    const route = routes[`${request.method} ${request.url}`];
    if (route !== undefined) return void route(request, response);
    violations.push(`${request.method} ${request.url}`);
    answer(response, { detail: "Not Found" }, 404);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const standIn: SdWebuiStandIn = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    violations,
    events,
    progress: [],
    behave(next) {
      behaviour = next;
    },
    seen: (event) => new Promise((resolve) => waiting.push({ event, resolve })),
  };
  return standIn;
}

/** The request's body when every field is there, none is more, and each is right. */
async function read(request: IncomingMessage, violations: string[]): Promise<Img2img | undefined> {
  if (request.headers["content-type"] !== "application/json") violations.push("content-type");
  const body = (await json(request)) as Record<string, unknown>;
  const names = new Set([...Object.keys(fields), ...Object.keys(body)]);
  const broken = [...names].filter((name) => fields[name]?.(body[name]) !== true);
  violations.push(...broken.map((name) => `${name}: ${JSON.stringify(body[name])?.slice(0, 100)}`));
  if (broken.length > 0) return undefined;
  const { init_images, ...rest } = body as unknown as Img2img & { init_images: [string] };
  const picture = Buffer.from(init_images[0], "base64");
  const { format, width, height, channels } = await sharp(picture).metadata();
  if (format !== "png" || width !== rest.width || height !== rest.height || channels !== 3)
    violations.push(`init_images: a ${format} of ${width} × ${height} with ${channels} channels`);
  return { ...rest, picture };
}

/** One picture after the other, each of a grey that its seed gives. */
function draw({ width, height, seed, n_iter }: Img2img): Promise<string[]> {
  const greys = Array.from({ length: n_iter }, (_, index) => (seed + index) % 256);
  return Promise.all(
    greys.map(async (grey) => {
      const background = { r: grey, g: grey, b: grey };
      const picture = await sharp({ create: { width, height, channels: 3, background } })
        .png()
        .toBuffer();
      return picture.toString("base64");
    }),
  );
}
