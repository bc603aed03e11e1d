import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";
import { runInto } from "../support/process.ts";
import { scratchDirectory } from "../support/scratch.ts";

const source = (name: string) => JSON.stringify(join(import.meta.dirname, "../../src", name));

function codeOf(script: string, level: string): string {
  return `import { createLog } from ${source("log/log.ts")}; const log = createLog("${level}"); ${script}`;
}

/** A process that does this with a `log`. */
function logging(script: string, level = "info") {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", codeOf(script, level)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

async function linesOf(script: string, level?: string): Promise<Record<string, unknown>[]> {
  const written = await text(logging(`${script}; log.flush()`, level).stderr);
  return written.split("\n").flatMap((line) => (line === "" ? [] : JSON.parse(line)));
}

test("writes each line as JSON, in order, whatever is in it", async () => {
  const lines = await linesOf(`
    log.info({ text: 'a "quote"\\n', number: 1.5, no: undefined, nan: NaN }, "plain");
    log.warn({ nested: { list: [1] } }, "nested");
    log.error({ err: new Error("broken", { cause: new Error("why") }) }, "with an error");
    log.info({ big: 2n ** 53n }, "big");
    log.info({}, "empty")`);
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/);
  expect(lines).toEqual([
    { level: "info", time, text: 'a "quote"\n', number: 1.5, nan: null, msg: "plain" },
    { level: "warn", time, nested: { list: [1] }, msg: "nested" },
    { level: "error", time, err: expect.objectContaining({ message: "broken: why" }), msg: "with an error" },
    { level: "info", time, big: 2 ** 53, msg: "big" },
    { level: "info", time, msg: "empty" },
  ]);
});

test("gives each line its own time", async () => {
  const [first, second] = await linesOf(
    `log.info({}, "a"); const at = Date.now(); while (Date.now() === at); log.info({}, "b")`,
  );
  expect(String(second?.time) > String(first?.time)).toBe(true);
});

test("leaves out what is below its level", async () => {
  const script = `log.debug({}, "a"); log.info({}, "b"); log.warn({}, "c"); log.error({}, "d")`;
  const messages = async (level: string) => (await linesOf(script, level)).map(({ msg }) => msg);
  expect(await messages("debug")).toEqual(["a", "b", "c", "d"]);
  expect(await messages("warn")).toEqual(["c", "d"]);
  expect(await messages("silent")).toEqual([]);
});

test("writes out no secret, wherever it stands", async () => {
  const names = ["authorization", "cookie", "password", "token", "credential", "refreshToken", "accessToken"];
  const lines = await linesOf(
    names
      .flatMap((name) => [
        `log.info({ ${name}: "hush" }, "a")`,
        `log.info({ plain: 1, headers: { ${name}: "hush" } }, "b")`,
        `log.error({ err: Object.assign(new Error("x"), { request: { ${name}: "hush" } }) }, "c")`,
      ])
      .join(";"),
  );
  expect(lines).toHaveLength(3 * names.length);
  expect(JSON.stringify(lines)).not.toContain("hush");
});

test("holds no line back for long", async () => {
  const child = logging(`log.info({}, "alive"); setInterval(() => {}, 60_000)`);
  const [line] = await once(child.stderr, "data");
  expect(JSON.parse(String(line))).toMatchObject({ msg: "alive" });
});

test("goes on for as long as somebody reads, however many lines there are", async () => {
  const child = logging(`setInterval(() => {
    for (let n = 0; n < 50; n += 1) log.info({ text: "x".repeat(10_000) }, "line");
  }, 5)`);
  let seen = 0;
  // More than may wait to be written together.
  for await (const line of createInterface(child.stderr)) if (line.includes('"line"') && ++seen === 2500) break;
  expect(seen).toBe(2500);
});

test("tells how many lines were lost once somebody reads again, and has all others", async () => {
  const written = 2500;
  const child = logging(`for (let n = 0; n < ${written}; n += 1) log.info({ n, text: "x".repeat(10_000) }, "line");
    setInterval(() => {}, 60_000)`);
  let [seen, lost] = [0, 0];
  for await (const line of createInterface(child.stderr)) {
    const { msg, lines } = JSON.parse(line);
    if (msg === "line") seen += 1;
    else lost = lines;
    if (seen + lost === written) break;
  }
  expect(seen).toBeGreaterThan(500);
  expect(lost).toBeGreaterThan(100);
});

test("tells how many lines were lost when it ends, too", async () => {
  const written = 2500;
  const code = codeOf(
    `for (let n = 0; n < ${written}; n += 1) log.info({ text: "x".repeat(10_000) }, "line"); log.flush()`,
    "info",
  );
  // By a shell's pipe: what Node makes for its children is a socket.
  const piped = spawn("sh", [
    "-c",
    '"$0" --input-type=module --eval "$1" 2>&1 >/dev/null | cat',
    process.execPath,
    code,
  ]);
  const lines = (await text(piped.stdout)).trimEnd().split("\n");
  const lost = Number(JSON.parse(lines.at(-1) ?? "").lines);
  expect(lost).toBeGreaterThan(100);
  expect(lines.length - 1 + lost).toBe(written);
});

test("goes on when somebody reads again after many small writes, and loses nothing of them", async () => {
  const [writes, text] = [50_000, `${"x".repeat(99)}\n`];
  const code = `import { openOutput } from ${source("log/output.ts")}; const output = openOutput(() => {});
    for (let n = 0; n < ${writes}; n += 1) output.write(${JSON.stringify(text)}, 1); setInterval(() => {}, 60_000)`;
  const command = '"$0" --input-type=module --eval "$1" 2>&1 >/dev/null | cat';
  const piped = spawn("sh", ["-c", command, process.execPath, code], { detached: true });
  onTestFinished(() => void process.kill(-(piped.pid as number), "SIGKILL"));
  let read = 0;
  for await (const piece of piped.stdout) {
    read += piece.length;
    if (read >= writes * text.length) break;
  }
  expect(read).toBe(writes * text.length);
});

test.each([
  ["a fault that nobody foresaw", `surviveNothing(log); setTimeout(() => { throw new Error("odd") })`, /foresaw/],
  ["a rejection that nobody awaits", `surviveNothing(log); Promise.reject(new Error("odd"))`, /foresaw/],
  [
    "a stop that fails",
    `onSignal("server", log)(() => Promise.reject(new Error("odd"))); process.kill(process.pid, "SIGTERM")`,
    /"stopping"/,
  ],
])("%s ends the process as failed, and is told with what was logged before", async (_what, script, told) => {
  const imports = `import { onSignal, openLog, surviveNothing } from ${source("process.ts")}`;
  const code = `${imports}; const log = openLog("info"); setInterval(() => {}, 60_000); log.info({}, "before"); ${script}`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", code], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const written = text(child.stderr);
  expect(await once(child, "exit")).toEqual([1, null]);
  expect(await written).toMatch(/"before"/);
  expect(await written).toMatch(told);
  expect(await written).toContain("odd");
});

test("a server whose log cannot be written serves, and ends when it is told to", async () => {
  const server = runInto("/dev/full", ["serve"], { PORT: "0", DARKROOM_DATA_DIR: scratchDirectory() }, 2);
  const url = await server.printed(/listens on (\S+),/);
  // More than wait to be written together.
  for (let calls = 0; calls < 600; calls += 1) expect((await fetch(url)).status).toBe(404);
  server.child.kill("SIGTERM");
  expect((await server.finished).code).toBe(0);
});

test("a server whose log nobody reads ends when it is told to", async () => {
  const pipe = join(scratchDirectory(), "log");
  execFileSync("mkfifo", [pipe]);
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  onTestFinished(() => closeSync(reader));
  const server = runInto(pipe, ["serve"], { PORT: "0", DARKROOM_DATA_DIR: scratchDirectory() }, 2);
  const url = await server.printed(/listens on (\S+),/);
  // More than the pipe holds.
  for (let calls = 0; calls < 3000; calls += 1) await fetch(url);
  server.child.kill("SIGTERM");
  expect((await server.finished).code).toBe(0);
});
