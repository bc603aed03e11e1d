import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";

const module = join(import.meta.dirname, "../../src/log.ts");

/** A process that does this with a `log`. */
function logging(script: string, level = "info") {
  const code = `import { createLog } from ${JSON.stringify(module)}; const log = createLog("${level}"); ${script}`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", code], {
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
    log.info({}, "empty")`);
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/);
  expect(lines).toEqual([
    { level: "info", time, text: 'a "quote"\n', number: 1.5, nan: null, msg: "plain" },
    { level: "warn", time, nested: { list: [1] }, msg: "nested" },
    { level: "error", time, err: expect.objectContaining({ message: "broken: why" }), msg: "with an error" },
    { level: "info", time, msg: "empty" },
  ]);
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
