import PocketBase from "pocketbase";
import sharp from "sharp";
import { expect, test, vi } from "vitest";
import { bearer } from "../../src/client/index.ts";
import { shareServer } from "../support/shared-server.ts";

const server = await shareServer();
const password = "a longer secret";
const patience = { timeout: 50_000, interval: 50 };

const pb = new PocketBase(server.url);
pb.autoCancellation(false);
await pb.collection("users").create({ username: "ada", password, passwordConfirm: password });
await pb.collection("users").authWithPassword("ada", password);
const credential = bearer(pb.authStore.token);

async function upload(red: number): Promise<string> {
  const create = { width: 8, height: 8, channels: 3, background: { r: red, g: 90, b: 40 } } as const;
  const { image } = await server.jobs.uploadImage({ data: await sharp({ create }).png().toBuffer() }, credential);
  return image?.id ?? "";
}

async function sendMessage(uuid: string): Promise<string> {
  const query = { prompt: "brighter", prompt_guidance: 7.5, strength: 0.8, uuid };
  return (await pb.send<{ messageId: string }>("/api/send_message", { query })).messageId;
}

/** What a front end does until its picture is there. */
async function fetchImage(messageId: string): Promise<{ type: string | null; bytes: Buffer }> {
  const headers = { authorization: pb.authStore.token };
  return vi.waitFor(async () => {
    const response = await fetch(`${server.url}/api/get_image?message_id=${messageId}`, { headers });
    if (response.status === 202) expect(await response.text()).toBe("Message not ready yet");
    expect(response.status).toBe(200);
    return { type: response.headers.get("content-type"), bytes: Buffer.from(await response.arrayBuffer()) };
  }, patience);
}

test("the SDK sends a message, asks for its picture, and checks its token", async () => {
  expect(await pb.send("/api/check_auth", {})).toEqual({ client_id: "ada" });
  const messageId = await sendMessage(await upload(10));
  const { type, bytes } = await fetchImage(messageId);
  expect(type).toBe("image/png");
  expect(await sharp(bytes).metadata()).toMatchObject({ format: "png", width: 8, height: 8 });
  const body = { message_id: messageId };
  const again = await pb.send("/api/get_image", {
    method: "POST",
    body,
    fetch: async (url, config) => {
      const response = await fetch(url, config);
      expect(Buffer.from(await response.clone().arrayBuffer()).equals(bytes)).toBe(true);
      return Response.json({ type: response.headers.get("content-type") });
    },
  });
  expect(again).toEqual({ type: "image/png" });
});

test("fifty who poll for fifty messages each get their own picture", async () => {
  const images = await Promise.all(Array.from({ length: 50 }, (_, at) => upload(5 * at)));
  const messages = await Promise.all(images.map(sendMessage));
  expect(new Set(messages).size).toBe(50);
  const fetched = await Promise.all(messages.map(fetchImage));
  expect(new Set(fetched.map(({ bytes }) => bytes.toString("base64"))).size).toBe(50);
  for (const [at, jobId] of messages.entries()) {
    const { job } = await server.jobs.pollImageJob({ jobId }, credential);
    const response = await fetch(`${server.url}/download/${job?.outputImageIds[0]}`, credential as RequestInit);
    expect(job?.imageId).toBe(images[at]);
    expect(Buffer.from(await response.arrayBuffer()).equals(fetched[at]?.bytes ?? Buffer.alloc(0))).toBe(true);
  }
});
