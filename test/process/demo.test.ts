import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { run } from "../support/process.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { startSdWebui } from "../support/sd-webui-server.ts";

/** The demo as `npm run demo` starts it in `directory`; its scratch directories are counted there too. */
function demo(directory: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return run(["demo", ...args], { ...env, INIT_CWD: directory, TMPDIR: directory }).finished;
}

function leftovers(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.startsWith("darkroom-demo-") && !name.endsWith(".jpg"));
}

test("draws a sample, develops it, shows its progress, and tells where the result is", async () => {
  const directory = scratchDirectory();
  const { code, stdout, stderr } = await demo(directory, []);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/queued[\s\S]*running[\s\S]*100 % succeeded/);
  const out = join(directory, "darkroom-demo.jpg");
  expect(stdout).toContain(`Saved ${out}: 1200 × 800 pixels`);
  expect(stdout).toMatch(/Done by studio .*vignette/);
  const [before, after] = await Promise.all(
    ["darkroom-demo-before.jpg", "darkroom-demo.jpg"].map((name) => sharp(join(directory, name)).stats()),
  );
  expect(before?.channels.map(({ mean }) => mean)).not.toEqual(after?.channels.map(({ mean }) => mean));
  expect(leftovers(directory)).toEqual([]);
});

test("develops the user's own picture with the user's own wishes", async () => {
  const directory = scratchDirectory();
  const red = { create: { width: 40, height: 30, channels: 3, background: "#c04020" } } as const;
  writeFileSync(join(directory, "mine.png"), await sharp(red).png().toBuffer());
  const wishes = ["--prompt", "black and white", "--model", "studio", "--strength", "1", "--out", "grey.png"];
  const { code, stdout } = await demo(directory, ["mine.png", ...wishes]);
  expect(code).toBe(0);
  expect(stdout).toContain("40 × 30 pixels");
  const { channels } = await sharp(readFileSync(join(directory, "grey.png")))
    .toColourspace("srgb")
    .stats();
  expect(channels[0]?.mean).toBeCloseTo(channels[2]?.mean ?? 0, 0);
  expect(existsSync(join(directory, "darkroom-demo-before.jpg"))).toBe(false);
});

test("uses nothing that the environment names for another server", async () => {
  const { code, stderr } = await demo(scratchDirectory(), [], {
    MONGODB_URI: "mongodb://127.0.0.1:1/production",
    DATABASE_URL: "mongodb://127.0.0.1:1/production",
    AZURE_SERVICEBUS_NAMESPACE: "production.servicebus.windows.net",
    AZURE_RECEIVE_QUEUE_NAME: "results",
    TLS_CERT_FILE: "/nowhere.pem",
    SIGNUP_ENABLED: "false",
    DARKROOM_ADMIN_PASSWORD: "short",
    DARKROOM_WORKER_HEALTH_PORT: "none",
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});

test("has Stable Diffusion where the environment names it", async () => {
  const { url } = await startSdWebui();
  const { code, stdout, stderr } = await demo(scratchDirectory(), ["--model", "sd-webui"], { SD_WEBUI_URL: url });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/Done by sd-webui in /);
});

test("enlarges with the network that upscale-2x is", async () => {
  const directory = scratchDirectory();
  const noise = { type: "gaussian", mean: 128, sigma: 40 } as const;
  const speckled = { create: { width: 150, height: 40, channels: 3, background: "white", noise } } as const;
  writeFileSync(join(directory, "mine.png"), await sharp(speckled).png().toBuffer());
  const { code, stdout, stderr } = await demo(directory, ["mine.png", "--model", "upscale-2x"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain(`Saved ${join(directory, "darkroom-demo.png")}: 300 × 80 pixels`);
  expect(stdout).toMatch(/Done by upscale-2x in .* at strength 1/);
});

test.each([
  [
    "a file that is missing",
    ["nowhere.jpg"],
    /^darkroom: nowhere\.jpg: cannot be read: there is no such file or folder\n$/,
  ],
  ["a folder in place of a picture", ["."], /^darkroom: \.: cannot be read: it is a folder\n$/],
  ["a file that is no picture", ["notes.txt"], /^darkroom: notes\.txt: data must be a JPEG, PNG or WebP picture\n$/],
  [
    "a model there is not",
    ["--model", "crystal"],
    /^darkroom: the sample: model_type must be one of: studio, upscale-2x\n$/,
  ],
  ["a strength out of range", ["--strength", "2"], /^darkroom: the sample: strength must be a number from 0 to 1\n$/],
  ["a strength that is none", ["--strength", " "], /^error: option '--strength .* it must be a number\n$/],
  ["a prompt that is not understood", ["--prompt", "qwertz"], /^darkroom: .*(understand|known|words)/i],
  ["a place that cannot be written to", ["--out", "/proc/x.jpg"], /^darkroom: \/proc\/x\.jpg: cannot be written/],
])("%s: one line, exit code 1, nothing left", async (_what, args, line) => {
  const directory = scratchDirectory();
  writeFileSync(join(directory, "notes.txt"), "a text, not a picture\n".repeat(10));
  const { code, stderr } = await demo(directory, args);
  expect(code).toBe(1);
  expect(stderr).toMatch(line);
  expect(leftovers(directory)).toEqual([]);
});

test("a result's folder that is missing: said before the work, not after it", async () => {
  const { code, stdout, stderr } = await demo(scratchDirectory(), ["--out", "nowhere/x.jpg"]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^darkroom: .*nowhere\/x\.jpg: cannot be written: there is no such file or folder\n$/);
});

test("interrupted in the middle of a job: it ends at once, and nothing is left", async () => {
  const directory = scratchDirectory();
  const noise = { type: "gaussian", mean: 128, sigma: 40 } as const;
  const large = { create: { width: 5000, height: 4000, channels: 3, background: "#888", noise } } as const;
  writeFileSync(join(directory, "large.jpg"), await sharp(large).jpeg().toBuffer());
  const wishes = ["large.jpg", "--prompt", "sketch with grain and a vignette, softer"];
  const running = run(["demo", ...wishes], { INIT_CWD: directory, TMPDIR: directory });
  // Its picture has reached the worker.
  await running.printed(/([1-9]\d?) % running/);
  // The terminal sends a signal, and npm another.
  const signals = setInterval(() => running.child.kill("SIGINT"), 5);
  const end = await running.finished;
  clearInterval(signals);
  expect(end).toMatchObject({ code: 1, stderr: "darkroom: interrupted\n" });
  expect(leftovers(directory)).toEqual([]);
});
