import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { build } from "esbuild";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { hasCommand } from "../support/commands.ts";
import { consumer, example } from "../support/consumer.ts";
import { redPicture } from "../support/red.ts";
import { serve, signIn } from "../support/server.ts";

const executablePath = "/usr/bin/chromium";
const quiet = ["gpu", "quic", "background-networking", "component-update", "sync"].map((what) => `--disable-${what}`);

/** Where the example is at home; it keeps what the page says, and measures the picture that is shown. */
const html = `<!doctype html><meta charset="utf-8"><title>Darkroom</title>
<form><input name="username"><input name="password" type="password"><input name="picture" type="file">
<input name="prompt"><button>Develop</button></form>
<output></output><progress></progress><img alt="">
<script>
  const said = [];
  const output = document.querySelector("output");
  const image = document.querySelector("img");
  new MutationObserver(() => said.push(output.textContent)).observe(output, { childList: true });
  const isDone = () => image.naturalWidth > 0 || !["", "uploading", "queued", "running", "succeeded"].includes(said.at(-1) ?? "");
  const shown = () => {
    const { naturalWidth: width, naturalHeight: height } = image;
    const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
    context.drawImage(image, 0, 0);
    return { width, height, colour: [...context.getImageData(width / 2, height / 2, 1, 1).data].slice(0, 3) };
  };
</script>
<script type="module" src="/main.js"></script>`;

/** A site of another origin than the server's; its script comes later, since it must know the server, and that this. */
async function startSite() {
  const site = { origin: "", script: "" };
  const server = createServer((request, response) => {
    const isScript = request.url === "/main.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? site.script : html);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void server.close());
  site.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return site;
}

/** As a page's developer would: the tarball installed, and everything in one file. */
async function bundle(source: string): Promise<string> {
  const entry = join(await consumer({ "main.ts": source }), "main.ts");
  const options = { bundle: true, minify: true, write: false, logLevel: "silent" } as const;
  const { outputFiles } = await build({ ...options, entryPoints: [entry], platform: "browser", format: "esm" });
  return outputFiles[0]?.text ?? "";
}

let browser: Promise<Browser> | undefined;
afterAll(async () => (await browser)?.close());

async function openPage(skip: (reason: string) => void): Promise<Page> {
  if (!hasCommand("chromium")) skip("chromium is not installed");
  browser ??= chromium.launch({ executablePath, args: ["--headless", "--no-sandbox", "--no-first-run", ...quiet] });
  return (await browser).newPage();
}

/** What the page says until the picture, or an error, is there. */
async function develop(page: Page, user: { username: string; password: string }, prompt: string): Promise<string[]> {
  await page.fill("[name=username]", user.username);
  await page.fill("[name=password]", user.password);
  await page.fill("[name=prompt]", prompt);
  const buffer = Buffer.from(await redPicture());
  await page.setInputFiles("[name=picture]", { name: "me.png", mimeType: "image/png", buffer });
  await page.click("button");
  await page.waitForFunction("isDone()");
  return page.evaluate("said");
}

test("a bundle of it is small, and has nothing of Node", async () => {
  const script = await bundle(example("TypeScript in browsers", "ts"));
  expect(script.length).toBeLessThan(200_000);
  expect(script).not.toMatch(/node:|require\(|WorkerService/);
});

test.for(["connect", "grpc-web"])(
  "a page of another origin signs in, develops and shows, by %s",
  async (protocol, { skip }) => {
    const site = await startSite();
    const server = await serve({ CORS_ORIGINS: site.origin });
    const source = example("TypeScript in browsers", "ts", server.url);
    site.script = await bundle(source.replace("{ tokens:", `{ protocol: "${protocol}", tokens:`));
    const page = await openPage(skip);
    const faults: string[] = [];
    page.on("pageerror", ({ message }) => faults.push(message));
    await page.goto(site.origin);

    const said = await develop(page, await signIn(server), "black and white");
    expect([said[0], said.at(-1)]).toEqual(["uploading", "succeeded"]);
    const { width, height, colour } = await page.evaluate<{ width: number; height: number; colour: number[] }>(
      "shown()",
    );
    expect([width, height]).toEqual([40, 30]);
    expect(Math.max(...colour) - Math.min(...colour)).toBeLessThan(50);
    expect(await page.evaluate("document.querySelector('progress').value")).toBe(1);
    expect(await page.evaluate("Object.keys(sessionStorage)")).toEqual(["darkroom.tokens"]);

    await page.reload();
    const nobody = { username: "nobody", password: "a wrong one" };
    expect(await develop(page, nobody, "sepia")).toEqual(["the name or the password is wrong"]);
    expect(faults).toEqual([]);
  },
);

test("a page of an origin that the server does not know is kept out", async ({ skip }) => {
  const site = await startSite();
  const server = await serve({ CORS_ORIGINS: "https://elsewhere.example" }, { worker: false });
  site.script = await bundle(example("TypeScript in browsers", "ts", server.url));
  const page = await openPage(skip);
  await page.goto(site.origin);
  expect(await develop(page, await signIn(server), "sepia")).toEqual(["Failed to fetch"]);
});
