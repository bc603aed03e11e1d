import { describe, expect, test, vi } from "vitest";
import { connect } from "../../src/client/index.ts";
import { readServerConfig } from "../../src/config/config.ts";
import { describeOnFerretdb } from "../support/ferretdb.ts";
import { run } from "../support/process.ts";
import { proxyTo } from "../support/proxy.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { signIn } from "../support/server.ts";

const read = (env: Readonly<Record<string, string>>) => readServerConfig(env).mongodb;
const secret = "s3cr3t";

describe("the address of a MongoDB", () => {
  test.each([
    ["mongodb://h", "darkroom"],
    ["mongodb://h/", "darkroom"],
    ["mongodb://h:27017/gate?tls=true&retryWrites=false", "gate"],
    ["mongodb://u:p%40ss@h1:1,h2:2,h3/gate?replicaSet=rs0", "gate"],
    ["mongodb+srv://u:p@cluster.example.net/?appName=x", "darkroom"],
    ["mongodb://[::1]:27017/a-b_C", "a-b_C"],
    // As Azure's portal shows it.
    ["mongodb://acc:k/Y+z==@acc.mongo.cosmos.azure.com:10255/?ssl=true&retrywrites=false&appName=@acc@", "darkroom"],
  ])("%s leads to the database %s, unless another is named", (uri, database) => {
    expect(read({ MONGODB_URI: uri })).toEqual({ uri, database, variable: "MONGODB_URI" });
    expect(read({ MONGODB_URI: uri, MONGODB_DATABASE: "other" })?.database).toBe("other");
  });

  test("may be in DATABASE_URL, if that is one", () => {
    const uri = "mongodb+srv://h/db";
    expect(read({ DATABASE_URL: uri })).toEqual({ uri, database: "db", variable: "DATABASE_URL" });
    expect(read({ DATABASE_URL: "mongodb://other", MONGODB_URI: uri })).toMatchObject({ uri, variable: "MONGODB_URI" });
    expect(read({ DATABASE_URL: "postgres://h/db" })).toBeUndefined();
    expect(read({})).toBeUndefined();
  });

  test.each(["", "a b", "a.b", "a/b", "$a", "a".repeat(64)].filter(Boolean))("has no database %s", (name) => {
    expect(() => read({ MONGODB_URI: "mongodb://h", MONGODB_DATABASE: name })).toThrow(/^MONGODB_DATABASE: /);
    expect(() => read({ MONGODB_URI: `mongodb://h/${name}` })).toThrow(/^MONGODB_(DATABASE|URI): /);
  });
});

describe("darkroom serve refuses an address, without repeating what may be a password", () => {
  test.each([
    "http://h",
    "mongodb:/h",
    "mongodb://",
    `mongodb://user:${secret}`,
    `mongodb://user:${secret}@`,
    `mongodb://user:a@${secret}@h`,
    `mongodb://user:${secret}@h:port`,
    `mongodb://user:${secret}@h:123456`,
    `mongodb://user:${secret}@h/db/${secret}`,
    `mongodb://user:${secret}%zz@h`,
    `mongodb://:${secret}@h`,
    `mongodb://user:${secret}@h/?maxPoolSize=many`,
    `mongodb://user:${secret}@h/?nothing=1`,
    `mongodb+srv://user:${secret}@a.example.net:27017`,
  ])("%s", async (uri) => {
    const env = { PORT: "0", DARKROOM_DATA_DIR: scratchDirectory(), MONGODB_URI: uri };
    const { code, stdout, stderr } = await run(["serve"], env).finished;
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stderr).toMatch(/^darkroom: MONGODB_URI: /);
    expect(stderr).not.toContain(secret);
  });
});

test("darkroom serve gives up a database that does not answer, and says what to do", async () => {
  const uri = `mongodb://user:${secret}@127.0.0.1:1/db`;
  const { code, stderr } = await run(["serve"], { PORT: "0", DARKROOM_DATA_DIR: scratchDirectory(), MONGODB_URI: uri })
    .finished;
  expect(code).toBe(1);
  const [warning = "", message] = stderr.trimEnd().split("\n");
  expect(JSON.parse(warning)).toMatchObject({ level: "warn", msg: "the database cannot be reached; waiting for it" });
  expect(message).toMatch(/^darkroom: MONGODB_URI: no database answers at 127\.0\.0\.1:1 \(.*\); start it, or correct/);
  expect(stderr).not.toContain(secret);
});

describeOnFerretdb("darkroom serve on MongoDB", (ferretdb) => {
  test("waits for its database, and serves once it is there", async () => {
    await ferretdb.kill();
    const env = { PORT: "0", DARKROOM_DATA_DIR: scratchDirectory(), DATABASE_URL: ferretdb.uri, LOG_LEVEL: "info" };
    const server = run(["serve"], env);
    while (!server.output.stderr.includes("waiting for it"))
      await new Promise((resolve) => server.child.stderr?.once("data", resolve));
    expect(server.output.stdout).toBe("");
    await ferretdb.start();
    const url = await server.printed(/listens on (\S+), with its data in MongoDB \(darkroom\)/);
    expect((await signIn(connect(url))).account?.username).toBeTruthy();
    server.child.kill("SIGTERM");
    expect((await server.finished).code).toBe(0);
  });

  test("starts all the same when its database goes away in the middle of it", async () => {
    let wasAway = false;
    const proxy = await proxyTo(ferretdb.uri, (bytes) => {
      // What a start reads once it has made the indexes.
      if (wasAway || !bytes.includes("secrets") || bytes.includes("Indexes")) return;
      wasAway = true;
      proxy.away = true;
      proxy.cut();
    });
    const env = {
      PORT: "0",
      DARKROOM_DATA_DIR: scratchDirectory(),
      MONGODB_URI: `mongodb://${new URL(proxy.url).host}`,
    };
    const server = run(["serve", "--no-worker"], { ...env, LOG_LEVEL: "error" });
    await vi.waitUntil(() => wasAway && (server.output.stderr !== "" || server.child.exitCode !== null), {
      timeout: 30_000,
    });
    proxy.away = false;
    const url = await server.printed(/listens on (\S+),/);
    expect(wasAway).toBe(true);
    expect((await signIn(connect(url))).account?.username).toBeTruthy();
  });

  test("ends when its database takes no administrator once it has told its address: it would tell it twice", async () => {
    const proxy = await proxyTo(ferretdb.uri, (bytes) => {
      if (bytes.includes("insert") && bytes.includes("accounts")) proxy.cut();
    });
    const env = { PORT: "0", DARKROOM_DATA_DIR: scratchDirectory(), MONGODB_DATABASE: "other" };
    const uri = `mongodb://${new URL(proxy.url).host}`;
    const server = run(["serve", "--no-worker"], { ...env, MONGODB_URI: uri, LOG_LEVEL: "error" });
    const { code, stdout, stderr } = await server.finished;
    expect([code, stdout]).toEqual([1, expect.stringMatching(/^Darkroom listens on [^\n]+\n\n$/)]);
    expect(stderr).toMatch(/^darkroom: the database cannot be used now: try again in a moment$/m);
  });
});
