import { appendFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { project, sh, write } from "../support/consumer.ts";
import { scratchDirectory } from "../support/scratch.ts";

const proto = (name: string, fields: string) => `syntax = "proto3";\npackage a.v1;\nmessage ${name} { ${fields} }\n`;
const buf = {
  "buf.yaml": "version: v2\nmodules: [{ path: proto }]\n",
  "buf.gen.yaml": "version: v2\nplugins: [{ local: protoc-gen-es, out: gen, opt: [target=ts] }]\n",
};

/** A project with these protos, in which what `npm run check` calls is run. */
function checked(...protos: readonly string[]) {
  const directory = scratchDirectory();
  const env = { ...process.env, PATH: `${join(project, "node_modules/.bin")}:${process.env.PATH}` };
  const run = (file: string, ...args: readonly string[]) => sh(file, args, { cwd: directory, env });
  const files = protos.map((name) => [`proto/a/v1/${name}.proto`, proto(name, "string name = 1;")]);
  write(directory, { ...buf, ...Object.fromEntries(files) });
  return { directory, run, check: (script: string) => run(process.execPath, join(project, "scripts", script)) };
}

test("generated code is stale that is another, is missing, or has no proto any more", async () => {
  const { directory, run, check } = checked("other", "missing", "gone", "same");
  await run("buf", "generate");
  await check("check-generated.ts");

  appendFileSync(join(directory, "gen/a/v1/other_pb.ts"), "\n");
  rmSync(join(directory, "gen/a/v1/missing_pb.ts"));
  rmSync(join(directory, "proto/a/v1/gone.proto"));
  const { code, stderr } = await check("check-generated.ts").catch((error) => error);
  const stale = [...stderr.matchAll(/^gen\/a\/v1\/(\w+)_pb\.ts is stale/gm)].map(([, name]) => name);
  expect({ code, stale: stale.toSorted() }).toEqual({ code: 1, stale: ["gone", "missing", "other"] });
});

test("protos break what they promised in an earlier version too", async () => {
  const { directory, run, check } = checked();
  const commit = async (fields: string) => {
    write(directory, { "proto/a/v1/a.proto": proto("a", fields) });
    await run("git", "add", ".");
    await run("git", "-c", "user.name=ada", "-c", "user.email=ada@example.com", "commit", "-qm", "more");
  };
  await run("git", "init", "-q");
  await commit("string name = 1;");
  await commit("string name = 1; string size = 2;");
  await check("check-breaking.ts");

  await commit("string name = 1;");
  await commit("string name = 1; string colour = 3;");
  const { code, stdout, stderr } = await check("check-breaking.ts").catch((error) => error);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "The protos break 1 of the last 4 versions of them.\n" });
  expect(stderr).toContain('field "2" with name "size"');
});
