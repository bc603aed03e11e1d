import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { advice, heading } from "../../src/cli/banner.ts";
import { drawSamplePicture } from "../../src/cli/sample-picture.ts";
import { bearer, connect, type Darkroom, State } from "../../src/client/index.ts";
import {
  checkWorkerInside,
  readServerConfig,
  readWorkerConfig,
  type ServerConfig,
  serverUrl,
} from "../../src/config/config.ts";
import { warnOfStrangers } from "../../src/config/known-variables.ts";
import { hasCommand } from "../support/commands.ts";
import { recordingLog } from "../support/log.ts";
import { run, runServer } from "../support/process.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { signIn } from "../support/server.ts";

const sh = promisify(execFile);

/** Resolves once the server has what was asked before on the same connection. */
async function hasCome({ auth }: Darkroom): Promise<void> {
  await auth.validate({ credential: "x" });
}

describe("darkroom serve", () => {
  test("prints the admin's password on the first start alone, and it works", async () => {
    const dataDir = scratchDirectory();
    const first = await runServer(dataDir);
    const password = await first.printed(/administrator is admin with the password\n\s+(\S+)/);
    const { auth } = connect(first.url);
    expect((await auth.login({ identity: "ADMIN", password })).account?.username).toBe("admin");
    first.child.kill("SIGTERM");
    await first.finished;

    const second = await runServer(dataDir);
    expect(second.output.stdout).not.toContain("administrator");
    expect((await connect(second.url).auth.login({ identity: "admin", password })).account?.username).toBe("admin");
  });

  test("prints a curl line that works when pasted, on every start", async ({ skip }) => {
    if (!hasCommand("curl")) skip("curl is not installed");
    const dataDir = scratchDirectory();
    const first = await runServer(dataDir);
    const login = await sh("sh", ["-c", await first.printed(/^ +(curl .*)$/m)]);
    expect(JSON.parse(login.stdout).tokens.accessToken).toBeTruthy();
    first.child.kill("SIGTERM");
    await first.finished;
    const second = await runServer(dataDir);
    const health = await sh("sh", ["-c", await second.printed(/^ +(curl .*)$/m)]);
    expect(JSON.parse(health.stdout).status).toBe("SERVING");
  });

  test("prints a grpcurl line that works when pasted, on every start", async ({ skip }) => {
    if (!hasCommand("grpcurl")) skip("grpcurl is not installed");
    const dataDir = scratchDirectory();
    const first = await runServer(dataDir);
    const login = await sh("sh", ["-c", await first.printed(/^ +(grpcurl .*)$/m)]);
    expect(JSON.parse(login.stdout).tokens.accessToken).toBeTruthy();
    first.child.kill("SIGTERM");
    await first.finished;
    const second = await runServer(dataDir);
    const list = await sh("sh", ["-c", await second.printed(/^ +(grpcurl .*)$/m)]);
    expect(list.stdout.split("\n")).toContain("darkroom.imagejob.v1.ImageJobService");
  });

  test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
    "at %s lets a running call end, and exits with 0",
    async (signal) => {
      const server = await runServer(scratchDirectory());
      const darkroom = connect(server.url);
      const { username, password } = await signIn(darkroom);
      const login = darkroom.auth.login({ identity: username, password });
      await hasCome(darkroom);
      const closed = waitUntilClosed(server.url);
      server.child.kill(signal);
      expect((await login).account?.username).toBe(username);
      await closed;
      expect(await server.finished).toMatchObject({ code: 0, stderr: "" });
    },
  );

  test("the log says which version it is that takes calls, and when and why it stops", async () => {
    const server = await runServer(scratchDirectory(), { LOG_LEVEL: "info" });
    server.child.kill("SIGTERM");
    const { stderr } = await server.finished;
    const version = (await run(["--version"]).finished).stdout.trim();
    expect(version).toBe(manifest.version);
    // The worker's lines are between.
    const lines = stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toContainEqual(expect.objectContaining({ msg: "the server takes calls", url: server.url, version }));
    expect(lines).toContainEqual(expect.objectContaining({ msg: "stopping", what: "server", signal: "SIGTERM" }));
    expect(lines.at(-1)).toMatchObject({ level: "info", msg: "stopped", what: "server" });
  });

  test("a wish to stop that comes twice is one, and another ends it at once", async () => {
    const server = await runServer(scratchDirectory());
    const darkroom = connect(server.url);
    const { username, password } = await signIn(darkroom);
    const login = darkroom.auth.login({ identity: username, password });
    await hasCome(darkroom);
    server.child.kill("SIGINT");
    server.child.kill("SIGINT");
    expect((await login).account?.username).toBe(username);
    expect((await server.finished).code).toBe(0);

    const other = await runServer(scratchDirectory());
    const socket = createConnection(Number(new URL(other.url).port), "127.0.0.1");
    const cut = once(socket, "close");
    socket.write("POST /images HTTP/1.1\r\nhost: x\r\n");
    await connect(other.url).auth.validate({ credential: "x" });
    const start = performance.now();
    other.child.kill("SIGTERM");
    await waitUntilClosed(other.url);
    const again = setInterval(() => other.child.kill("SIGTERM"), 100);
    expect((await other.finished).code).toBe(1);
    clearInterval(again);
    expect(performance.now() - start).toBeGreaterThan(1000);
    await cut;
  });

  test("a stop that is not over after 25 s ends it as failed, and the log says what it waited for", async () => {
    // As if they were over at once.
    const soon = `const { setTimeout: real } = globalThis;
      globalThis.setTimeout = (then, ms, ...rest) => real(then, ms === 25_000 ? 0 : ms, ...rest);`;
    const server = run(["serve", "--no-worker"], {
      PORT: "0",
      DARKROOM_DATA_DIR: scratchDirectory(),
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(soon)}`,
    });
    const url = new URL(await server.printed(/listens on (\S+),/));
    // The start is over when this is told.
    await server.printed(/(administrator is admin)/);
    const socket = createConnection(Number(url.port), url.hostname);
    await once(socket, "connect");
    socket.write("POST /images HTTP/1.1\r\n");
    server.child.kill("SIGTERM");
    const { code, stderr } = await server.finished;
    const last = JSON.parse(stderr.trim().split("\n").at(-1) ?? "");
    const told = { level: "error", what: "server", waits_for: "calls that run" };
    expect([code, last]).toEqual([1, expect.objectContaining(told)]);
  });

  test("stops in order when npm is told to", async () => {
    const env = { ...process.env, PORT: "0", DARKROOM_DATA_DIR: scratchDirectory(), LOG_LEVEL: "error" };
    const npm = spawn("npm", ["start"], {
      cwd: join(import.meta.dirname, "../.."),
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    onTestFinished(() => void npm.kill("SIGKILL"));
    let printed = "";
    for await (const chunk of npm.stdout) {
      printed += chunk;
      if (printed.includes("grpcurl")) break;
    }
    const url = /listens on (\S+),/.exec(printed)?.[1] ?? "";
    npm.kill("SIGTERM");
    expect(await once(npm, "exit")).toEqual([0, null]);
    await expect(fetch(url)).rejects.toThrow();
  });

  test("waits no longer than 10 s for a call that does not end", async () => {
    const server = await runServer(scratchDirectory());
    const socket = createConnection(Number(new URL(server.url).port), "127.0.0.1");
    const head = "POST /darkroom.auth.v1.AuthService/Login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    socket.write(`${head}content-length: 100\r\n\r\n{"ident`);
    await connect(server.url).auth.validate({ credential: "x" });
    const cut = once(socket, "close");
    server.child.kill("SIGTERM");
    expect((await server.finished).code).toBe(0);
    await cut;
  });

  test("ends long polls and watches at once when it stops", async () => {
    const server = await runServer(scratchDirectory());
    const { auth, jobs } = connect(server.url);
    const { credential } = await signIn({ auth });
    const { image } = await jobs.uploadImage({ data: await drawSamplePicture() }, credential);
    const request = { imageId: image?.id ?? "", prompt: "sepia", modelType: "studio" };
    const { job } = await jobs.submitImageJob(request, credential);
    const watch = (async () => {
      for await (const { job: seen } of jobs.watchImageJob({ jobId: job?.id ?? "" }, credential)) {
        if (seen?.state === State.SUCCEEDED) return "done";
      }
      return "ended";
    })().catch(() => "refused");
    server.child.kill("SIGTERM");
    expect(["done", "refused"]).toContain(await watch);
    expect((await server.finished).code).toBe(0);
  });

  test("has everything still there when it is started again", async () => {
    const dataDir = scratchDirectory();
    const first = await runServer(dataDir);
    const { auth, jobs } = connect(first.url);
    const { credential, token, refreshToken } = await signIn({ auth });
    const { image } = await jobs.uploadImage({ data: await drawSamplePicture() }, credential);
    const { job } = await jobs.submitImageJob({ imageId: image?.id ?? "", prompt: "sepia" }, credential);
    const id = job?.id ?? "";
    const done = await jobs.pollImageJob({ jobId: id, wait: { seconds: 30n, nanos: 0 } }, credential);
    first.child.kill("SIGTERM");
    await first.finished;

    const again = connect((await runServer(dataDir)).url);
    expect((await again.jobs.pollImageJob({ jobId: id }, bearer(token))).job).toEqual(done.job);
    for await (const piece of again.jobs.getImage({ imageId: done.job?.outputImageIds[0] ?? "" }, bearer(token))) {
      expect(piece.data.byteLength).toBeGreaterThan(0);
    }
    expect((await again.auth.refreshToken({ refreshToken })).tokens?.accessToken).toBeTruthy();
  });

  test("writes nothing that others on the machine could read", async () => {
    const dataDir = join(scratchDirectory(), "data");
    const server = await runServer(dataDir);
    await connect(server.url).auth.validate({ credential: "x" });
    const { stdout } = await sh("stat", ["-c", "%a", dataDir]);
    expect(stdout.trim()).toBe("700");
  });
});

describe("darkroom serve refuses a doubtful start, in one line that names the variable", () => {
  async function refusal(env: Record<string, string>, command = ["serve"]): Promise<string> {
    const { code, stdout, stderr } = await run(command, {
      PORT: "0",
      DARKROOM_DATA_DIR: scratchDirectory(),
      LOG_LEVEL: "error",
      ...env,
    }).finished;
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    return stderr;
  }

  test("a taken port", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    expect(await refusal({ PORT: String(port) })).toMatch(/^darkroom: PORT: .*taken/);
  });

  test("a port that its worker is to tell its health on, unless it has none inside", async () => {
    const env = { HOST: "203.0.113.7", PORT: "8080", DARKROOM_WORKER_HEALTH_PORT: "8080" };
    expect(await refusal(env)).toMatch(/^darkroom: DARKROOM_WORKER_HEALTH_PORT: must be another/);
    expect(await refusal(env, ["serve", "--no-worker"])).toMatch(/^darkroom: HOST: /);
  });

  test("a data directory that cannot be", async () => {
    const file = join(scratchDirectory(), "a-file");
    writeFileSync(file, "");
    expect(await refusal({ DARKROOM_DATA_DIR: file })).toMatch(/^darkroom: DARKROOM_DATA_DIR: .*choose another/);
    expect(await refusal({ DARKROOM_DATA_DIR: "/proc/darkroom" })).toMatch(/^darkroom: DARKROOM_DATA_DIR: /);
  });

  test.each(["darkroom.db", "queue.db"])("a %s that is none", async (name) => {
    const dataDir = scratchDirectory();
    const path = join(dataDir, name);
    writeFileSync(path, "this is no database, whatever it is".repeat(100));
    expect(await refusal({ DARKROOM_DATA_DIR: dataDir })).toMatch(
      new RegExp(`^darkroom: DARKROOM_DATA_DIR: .*${name}`),
    );
    expect(readFileSync(path, "utf8")).toContain("this is no database");
  });

  test("two faults, by the one that is met first", async () => {
    const env = { DARKROOM_ADMIN_PASSWORD: "password123", DARKROOM_MODELS: `{"studio": "jobs"}` };
    expect(await refusal(env)).toMatch(/^darkroom: DARKROOM_MODELS: /);
  });

  test("an origin that is none, among others", async () => {
    const env = { CORS_ORIGINS: "https://a.example.com, https://b.example.com/" };
    expect(await refusal(env)).toMatch(/^darkroom: CORS_ORIGINS: https:\/\/b\.example\.com\/ is no origin/);
  });

  test.each([
    ["PORT", "80800"],
    ["PORT", "http"],
    ["HOST", "203.0.113.7"],
    ["LOG_LEVEL", "loud"],
    ["SIGNUP_ENABLED", "maybe"],
    ["JWT_SECRET", "short"],
    ["CORS_ORIGINS", "example.com"],
    ["CORS_ORIGINS", "https://example.com/"],
    ["CORS_ORIGINS", "https://a@example.com"],
    ["CORS_ORIGINS", "file://"],
    ["TRUSTED_PROXIES", "everybody"],
    ["SMTP_URL", "mail.example.com"],
    ["MAIL_FROM", "darkroom@example.com"],
    ["DARKROOM_RATE_LIMITS", "nothing=1/1"],
    ["DARKROOM_RATE_LIMITS", "user=0/60"],
    ["DARKROOM_RATE_LIMITS", "user=100000001/60"],
    ["DARKROOM_RATE_LIMITS", "user=1/0"],
    ["DARKROOM_RATE_LIMITS", "user=1/86401"],
    ["DARKROOM_RATE_LIMITS", "user=many"],
    ["TLS_CERT_FILE", "/nowhere.pem"],
    ["DARKROOM_ADMIN_USERNAME", "a@b"],
    ["DARKROOM_ADMIN_PASSWORD", "short"],
    ["DARKROOM_ADMIN_PASSWORD", "password123"],
    ["DARKROOM_WORKER_CONCURRENCY", "0"],
    ["DARKROOM_LEASE_SECONDS", "0"],
    ["MONGODB_URI", "mongodb:127.0.0.1"],
    ["MONGODB_DATABASE", "darkroom"],
    ["IMAGE_SERVICE_URL", "http://127.0.0.1"],
    ["IMAGE_SERVICE_API_KEY", "fifteen-letters"],
    ["DARKROOM_MODELS", "sd=jobs"],
    ["DARKROOM_MODELS", `{"studio": "jobs"}`],
    ["DARKROOM_DEFAULT_MODEL", "studios"],
    ["AUTH_ENABLED", "perhaps"],
  ])("%s=%s", async (name, value) => {
    expect(await refusal({ [name]: value })).toMatch(new RegExp(`^darkroom: ${name}: `));
  });
});

test("a misspelt setting is warned of by its name, by a server and by a worker, and no other", async () => {
  const env = {
    LOG_LEVEL: "warn",
    DARKROOM_KEEP_RESULT_DAYS: "1",
    DARKROOM_KEEP_RESULTS_DAYS: "1",
    DARKROOM_WORKER_CONCURRENCY: "2",
    DARKROOM_ALLOW_OPEN_ACCESS: "false",
    DARKROOM_API_KEY: "x",
    // Kubernetes', for a service of this name.
    DARKROOM_SERVICE_HOST: "10.0.0.1",
    DARKROOM_SERVICE_PORT: "8080",
    DARKROOM_PORT_8080_TCP_ADDR: "10.0.0.1",
  };
  const dataDir = scratchDirectory();
  const server = await runServer(dataDir, env);
  const warned = /"variable":"DARKROOM_KEEP_RESULT_DAYS","msg":"nothing reads this variable"/;
  const worker = run(["worker"], { ...env, DARKROOM_DATA_DIR: dataDir, DARKROOM_SERVER_URL: server.url });
  await vi.waitFor(() => expect(worker.output.stderr).toMatch(warned), 10_000);
  for (const { child, finished } of [worker, server]) {
    child.kill("SIGTERM");
    const lines = (await finished).stderr.trimEnd().split("\n");
    expect(lines).toEqual([expect.stringMatching(warned)]);
  }
});

test("a setting that is a slip away from one that is not given is warned of too, by what it is like", () => {
  const log = recordingLog();
  const slips = {
    SIGNUP_ENABLE: "SIGNUP_ENABLED",
    AZURE_SERVICE_BUS_NAMESPACE: "AZURE_SERVICEBUS_NAMESPACE",
    MONGODB_URL: "MONGODB_URI",
    MAIL_FORM: "MAIL_FROM",
    DARKROOM_MODEL: "DARKROOM_MODELS",
  };
  const others = {
    HOSTS: "x",
    SPORT: "x",
    SSL_CERT_FILE: "x",
    LOG_LEVEL: "warn",
    LOG_LEVELS: "x",
    DARKROOM_SERVICE_PORT: "x",
    DARKROOM_SERVICE_PORT_HTTP: "x",
    DARKROOM_PORT: "x",
    DARKROOM_PORT_8080_TCP: "x",
    RELAY_TIMEOUT: "x",
    PATH: "x",
    "": "x",
  };
  warnOfStrangers({ ...slips, ...others, DARKROOM_NOTHING: "x" }, { ...log, flush() {} });
  expect(new Set(log.lines.map(({ message }) => message))).toEqual(new Set(["nothing reads this variable"]));
  const warned = log.lines.map(({ fields: { variable, like } }) => [variable, like]);
  expect(warned).toEqual([...Object.entries(slips), ["DARKROOM_NOTHING", undefined]]);
});

test.each([
  ["127.0.0.1", "http://127.0.0.1:8080"],
  ["localhost", "http://localhost:8080"],
  ["::1", "http://[::1]:8080"],
  // No address to call, on every system.
  ["0.0.0.0", "http://127.0.0.1:8080"],
  ["::", "http://[::1]:8080"],
])("a server at %s is called at %s", (host, url) => {
  expect(serverUrl(host, 8080, false)).toBe(url);
  expect(serverUrl(host, 8080, true)).toBe(url.replace("http", "https"));
});

test.each([
  [{}, "/d"],
  [{ MONGODB_URI: "mongodb://user:secret@h/gate" }, "MongoDB (gate) and its queue in /d"],
  [{ AZURE_SERVICEBUS_NAMESPACE: "a.b" }, "/d and its queue in Azure Service Bus"],
  [
    { MONGODB_URI: "mongodb://h/gate", AZURE_SERVICEBUS_NAMESPACE: "a.b" },
    "MongoDB (gate) and its queue in Azure Service Bus",
  ],
])("a server with %j says where its data is", (env, where) => {
  const config = readServerConfig({ DARKROOM_DATA_DIR: "/d", ...env });
  expect(heading("http://h", config)).toBe(`Darkroom listens on http://h, with its data in ${where}\n\n`);
});

test("a server says that authentication is off, and how it is called by TLS whose certificate nobody knows", () => {
  const app = { url: "https://127.0.0.1:1", adminPassword: undefined, renewTls() {}, stop: async () => {} };
  const lines = (env: Record<string, string>, tls?: ServerConfig["tls"]) =>
    advice(app, { ...readServerConfig(env), tls })
      .trimEnd()
      .split("\n");
  expect(lines({ AUTH_ENABLED: "false" })[0]).toMatch(/^AUTHENTICATION IS OFF: whoever reaches this address is /);
  const [first, curl, grpcurl] = lines({}, { cert: "", key: "" });
  expect([first, curl]).toEqual(["Try it:", expect.stringMatching(/^ +curl -k .*https:\/\/127\.0\.0\.1:1\//)]);
  expect(grpcurl).toMatch(/^ +grpcurl -insecure 127\.0\.0\.1:1 list$/);
});

test("a worker inside a server may tell its health on any free port, as the server may take calls", () => {
  const env = { DARKROOM_SERVER_URL: "http://127.0.0.1", DARKROOM_WORKER_HEALTH_PORT: "0", HOST: "0.0.0.0" };
  expect(() => checkWorkerInside(env, readServerConfig({ PORT: "0" }))).not.toThrow();
  expect(readWorkerConfig(env).health).toEqual({ host: "0.0.0.0", port: 0 });
});

test.each(["serve", "worker"])(
  "the help of %s says that settings are environment variables, and where all are",
  async (command) => {
    const { code, stdout } = await run([command, "--help"]).finished;
    expect(code).toBe(0);
    expect(stdout).toMatch(/environment variables, such as PORT: docs\/configuration\.md/);
  },
);

test("a server that cannot start leaves no process and no lock behind", async () => {
  const dataDir = scratchDirectory();
  const { code } = await run(["serve"], { HOST: "203.0.113.7", PORT: "0", DARKROOM_DATA_DIR: dataDir }).finished;
  expect(code).toBe(1);
  const server = await runServer(dataDir);
  expect(readdirSync(dataDir)).toContain("darkroom.db");
  expect(server.url).toMatch(/^http:/);
});

async function waitUntilClosed(url: string): Promise<void> {
  const isOpen = () =>
    fetch(url).then(
      () => true,
      () => false,
    );
  while (await isOpen());
}
