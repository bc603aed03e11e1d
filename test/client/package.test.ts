import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { consumer, example, pack, project, sh, write } from "../support/consumer.ts";
import { colourfulness, redPicture } from "../support/red.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { serve } from "../support/server.ts";

const clientDependencies = [
  "@bufbuild/protobuf",
  "@connectrpc/connect",
  "@connectrpc/connect-node",
  "@connectrpc/connect-web",
];
/** Far more than it has: a server's file or a picture that slipped in would show. */
const packedMaxBytes = 80_000;

const red = await redPicture("jpeg");

test("the tarball has the client, compiled and typed, and nothing of the server", async () => {
  const tarball = await pack();
  expect(statSync(tarball).size).toBeLessThan(packedMaxBytes);
  const directory = scratchDirectory();
  await sh("tar", ["-xzf", tarball, "-C", directory]);
  const files = readdirSync(join(directory, "package"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(directory, "package/").length));
  const compiled = /^dist\/(src\/client\/[\w-]+|gen\/(darkroom|health|google\/rpc)\/[\w/]+_pb)\.(js|d\.ts)$/;
  expect(files.filter((file) => !compiled.test(file)).toSorted()).toEqual(["LICENSE", "README.md", "package.json"]);
  const manifest = JSON.parse(readFileSync(join(directory, "package/package.json"), "utf8"));
  expect(Object.keys(manifest.dependencies)).toEqual(clientDependencies);
  expect(manifest).not.toHaveProperty("optionalDependencies");
  for (const file of files.filter((name) => name.endsWith(".js"))) {
    expect(files).toContain(file.replace(/\.js$/, ".d.ts"));
  }
});

test("it brings no packages but its own", async () => {
  const directory = await consumer({});
  const { packages } = JSON.parse(readFileSync(join(directory, "node_modules/.package-lock.json"), "utf8"));
  const installed = Object.keys(packages).map((path) => path.replace("node_modules/", ""));
  expect(installed.toSorted()).toEqual([...clientDependencies, "darkroom"].toSorted());
});

test("the example for Node runs as an ES module, and passes the strictest types", async () => {
  const { url } = await serve();
  const directory = await consumer({ "main.mts": example("TypeScript in Node", "ts", url) });
  write(directory, { "me.jpg": red });
  await checkTypes(directory, "main.mts", { module: "nodenext" });
  const { stdout } = await sh(process.execPath, ["main.mts"], { cwd: directory });
  expect(stdout).toMatch(/^uploading 0\n[\s\S]*succeeded 1\n$/);
  expect(await colourfulness(join(directory, "developed.jpg"))).toBeLessThan(50);
});

test.each(["grpc", "connect"])("CommonJS requires it, over %s", async (protocol) => {
  const { url } = await serve();
  const main = `
    const { readFileSync } = require("node:fs");
    const { createDarkroom, ConnectError, Code } = require("darkroom/client");
    const darkroom = createDarkroom("${url}", { protocol: "${protocol}" });
    darkroom.develop(readFileSync("me.jpg"), "sepia").catch(async (error) => {
      console.log(error instanceof ConnectError && error.code === Code.Unauthenticated);
      await darkroom.signUp({ username: "ada", password: "a-long-enough-one" });
      const { picture } = await darkroom.develop(readFileSync("me.jpg"), "sepia");
      console.log(picture.image.width, picture.image.height);
    });`;
  const directory = await consumer({ "main.cjs": main });
  write(directory, { "me.jpg": red });
  const { stdout } = await sh(process.execPath, ["main.cjs"], { cwd: directory });
  expect(stdout).toBe("true\n40 30\n");
});

test("types are found by every way to resolve them, and wrong calls are refused", async () => {
  const web = example("TypeScript in browsers", "ts");
  const both = `
    import { createDarkroom as node, type Darkroom } from "darkroom/client/node";
    import { createDarkroom as web } from "darkroom/client/web";
    export const options: Parameters<typeof node>[1] = { protocol: "grpc" };
    export const worker: Darkroom["worker"] | undefined = undefined;
    // @ts-expect-error: a browser has no gRPC.
    web("http://127.0.0.1", { protocol: "grpc" });
    // @ts-expect-error: a path is no picture.
    await node("http://127.0.0.1").develop("me.jpg", "sepia");`;
  const required = `
    import client = require("darkroom/client");
    export const darkroom: client.DarkroomClient = client.createDarkroom("http://127.0.0.1", { protocol: "grpc" });`;
  const directory = await consumer({ "web.ts": web, "both.mts": both, "required.cts": required });
  await checkTypes(directory, "web.ts", { module: "preserve", moduleResolution: "bundler", lib: ["es2024", "dom"] });
  await checkTypes(directory, "both.mts", { module: "nodenext" });
  await checkTypes(directory, "both.mts", { module: "nodenext", lib: ["es2024"], skipLibCheck: true });
  await checkTypes(directory, "required.cts", { module: "nodenext", verbatimModuleSyntax: false });
});

/** With everything strict, and the packages' own declarations checked too. */
async function checkTypes(directory: string, file: string, options: object): Promise<void> {
  const compilerOptions = {
    target: "es2024",
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    skipLibCheck: false,
    noEmit: true,
    types: ["node"],
    typeRoots: [join(project, "node_modules/@types")],
    ...options,
  };
  write(directory, { "tsconfig.json": JSON.stringify({ compilerOptions, files: [file] }) });
  const tsc = join(project, "node_modules/typescript/bin/tsc");
  const { stdout } = await sh(process.execPath, [tsc, "-p", directory]).catch((error) => error);
  expect(stdout).toBe("");
}
