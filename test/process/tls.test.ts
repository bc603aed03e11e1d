import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import type { CallOptions } from "@connectrpc/connect";
import { expect, onTestFinished, test, vi } from "vitest";
import { drawSamplePicture } from "../../src/cli/sample-picture.ts";
import { connect, type Darkroom, State } from "../../src/client/index.ts";
import { hasCommand } from "../support/commands.ts";
import { project, sh } from "../support/consumer.ts";
import { childrenOf, run, runServer } from "../support/process.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { adminPassword, signIn, signInAdmin } from "../support/server.ts";

/** Files with a key and a certificate that it signed itself. */
function certify(directory: string, name = "own", kind = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], days = 2) {
  const [key, cert] = [join(directory, `${name}.key`), join(directory, `${name}.cert`)];
  const subject = ["-subj", "/CN=darkroom.example", "-addext", "subjectAltName=DNS:darkroom.example"];
  const request = ["req", "-x509", "-newkey", ...kind, "-nodes", "-days", `${days}`];
  execFileSync("openssl", [...request, ...subject, "-keyout", key, "-out", cert], { stdio: "ignore" });
  return { cert, key };
}

/** A server that shows a certificate of its own. */
async function certified() {
  const directory = scratchDirectory();
  const { cert, key } = certify(directory);
  const server = await runServer(join(directory, "data"), { TLS_CERT_FILE: cert, TLS_KEY_FILE: key });
  return { directory, cert, key, server };
}

/** Sends over TLS, and resets the connection at once. */
async function sendAndReset(url: string, said: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connectTcp(Number(port), hostname);
  // Not the socket itself, whose handle TLS would take.
  const around = new Duplex({ read() {}, write: (piece, _, done) => void socket.write(piece, done) });
  socket.on("data", (piece) => around.push(piece));
  const tls = connectTls({ socket: around, rejectUnauthorized: false }).on("error", () => {});
  await once(tls, "secureConnect");
  await new Promise((resolve) => tls.write(said, resolve));
  socket.resetAndDestroy();
}

/** Waits for the server to be done with a caller who says no more. */
async function whenCut(url: string, said: string): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connectTcp(Number(port), hostname).resume();
  onTestFinished(() => void socket.destroy());
  socket.write(said, "latin1");
  await once(socket, "close");
}

test("with a certificate the port speaks TLS within 10 s, and the worker and the operator trust that certificate", async ({
  skip,
}) => {
  if (!hasCommand("openssl")) skip("openssl is not installed");
  const { cert, server } = await certified();
  expect(server.url).toMatch(/^https:/);
  const isCut = ["", "\x16\x03\x01"].map((said) => whenCut(server.url, said));
  const darkroom = connect(server.url, { pinnedCert: readFileSync(cert, "utf8") });
  const { credential, token, username, password } = await signIn(darkroom);
  expect(await develop(darkroom, credential)).toBe(State.SUCCEEDED);
  await expect(fetch(server.url.replace("https", "http"))).rejects.toThrow();
  const image = { PORT: new URL(server.url).port, TLS_CERT_FILE: cert };
  await expect(sh(process.execPath, [join(project, "deploy/health.ts")], { env: image })).resolves.toBeDefined();

  const env = { DARKROOM_SERVER_URL: server.url, DARKROOM_API_KEY: token, DARKROOM_SERVER_CERT_FILE: cert };
  const { stdout } = await run(["token", "inspect", "--json"], env).finished;
  expect(JSON.parse(stdout)).toMatchObject({ valid: true, account: username });

  let cookie: string | null = null;
  await darkroom.auth.login(
    { identity: username, password, sessionToken: true },
    {
      onHeader: (headers) => {
        cookie = headers.get("set-cookie");
      },
    },
  );
  expect(cookie).toMatch(/; HttpOnly; SameSite=Lax; Secure$/);
  await Promise.all(isCut);
  server.child.kill("SIGTERM");
  expect((await server.finished).code).toBe(0);
});

test("nothing is done for who resets the connection before the server can tell where it comes from", async ({
  skip,
}) => {
  if (!hasCommand("openssl")) skip("openssl is not installed");
  const directory = scratchDirectory();
  const { cert, key } = certify(directory);
  const env = { TLS_CERT_FILE: cert, TLS_KEY_FILE: key, DARKROOM_ADMIN_PASSWORD: adminPassword };
  const { url } = await runServer(join(directory, "data"), env);
  const body = JSON.stringify({ token: "none" });
  const head = "POST /darkroom.auth.v1.AuthService/ConfirmEmailChange HTTP/1.1\r\nHost: x\r\n";
  const type = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  for (let calls = 0; calls < 20; calls++) await sendAndReset(url, head + type + body);
  const { auth } = connectPinned(cert)(url);
  const admin = await signInAdmin({ auth });
  const { events } = await auth.listAuditEvents({}, admin.credential);
  expect(events.map(({ address }) => address)).not.toContain("");
});

function connectPinned(cert: string) {
  const pinnedCert = readFileSync(cert, "utf8");
  return (url: string) => connect(url, { pinnedCert });
}

/** How a job of theirs ended. */
async function develop({ jobs }: Darkroom, credential: CallOptions): Promise<State | undefined> {
  const { image } = await jobs.uploadImage({ data: await drawSamplePicture() }, credential);
  const submitted = await jobs.submitImageJob({ imageId: image?.id ?? "", prompt: "sepia" }, credential);
  const wait = { seconds: 30n, nanos: 0 };
  const { job } = await jobs.pollImageJob({ jobId: submitted.job?.id ?? "", wait }, credential);
  return job?.state;
}

test("a worker inside trusts the certificate that its server shows, whatever the file has by then", async ({
  skip,
}) => {
  if (!hasCommand("openssl")) skip("openssl is not installed");
  const { directory, cert, server } = await certified();
  const darkroom = connect(server.url, { pinnedCert: readFileSync(cert, "utf8") });
  certify(directory);
  const first = childrenOf(server);
  process.kill(Number(first), "SIGKILL");
  await vi.waitFor(() => expect(childrenOf(server)).not.toBe(first), 10_000);
  const { credential } = await signIn(darkroom);
  expect(await develop(darkroom, credential)).toBe(State.SUCCEEDED);
});

test("at a SIGHUP the certificate is another, for the worker inside too; what is none changes nothing", async ({
  skip,
}) => {
  if (!hasCommand("openssl")) skip("openssl is not installed");
  const { directory, cert, key, server } = await certified();
  const before = connectPinned(cert);
  writeFileSync(key, "no key");
  server.child.kill("SIGHUP");
  await vi.waitFor(() => expect(server.output.stderr).toContain("TLS_KEY_FILE: must be a file with"), 10_000);
  await before(server.url).auth.validate({ credential: "x" });
  certify(directory);
  const after = connectPinned(cert);
  server.child.kill("SIGHUP");
  await vi.waitFor(() => after(server.url).auth.validate({ credential: "x" }), 10_000);
  await expect(before(server.url).auth.validate({ credential: "x" })).rejects.toThrow();
  const { credential } = await signIn(after(server.url));
  expect(await develop(after(server.url), credential)).toBe(State.SUCCEEDED);
});

test("a server whose certificate ends soon, or has ended, warns of it", async ({ skip }) => {
  if (!hasCommand("openssl")) skip("openssl is not installed");
  const directory = scratchDirectory();
  for (const [days, warns] of [
    [1, true],
    [3, false],
  ] as const) {
    const { cert, key } = certify(directory, `${days}`, undefined, days);
    const env = { TLS_CERT_FILE: cert, TLS_KEY_FILE: key, LOG_LEVEL: "warn" };
    const server = await runServer(join(directory, "data"), env);
    server.child.kill("SIGTERM");
    const { code, stderr } = await server.finished;
    expect([code, stderr.includes("the certificate of TLS_CERT_FILE ends")]).toEqual([0, warns]);
  }
});

test("an operator whose address or certificate does not fit the server's TLS is told what to do", async ({ skip }) => {
  if (!hasCommand("openssl")) skip("openssl is not installed");
  const directory = scratchDirectory();
  const [own, other] = [certify(directory), certify(directory, "other")];
  const safe = await runServer(join(directory, "safe"), { TLS_CERT_FILE: own.cert, TLS_KEY_FILE: own.key });
  const plain = await runServer(join(directory, "plain"));
  const untrusted =
    /^darkroom: DARKROOM_SERVER_CERT_FILE: must have the certificate that https:\S+ shows, [^\n;]+ \(self-signed certificate\)\n$/;
  for (const [url, cert, said] of [
    [safe.url, "", untrusted],
    [safe.url, other.cert, untrusted],
    [safe.url.replace("https", "http"), "", /^darkroom: DARKROOM_SERVER_URL: .+ must begin with https:\/\/\n$/],
    [plain.url.replace("http", "https"), "", /^darkroom: DARKROOM_SERVER_URL: .+ must begin with http:\/\/\n$/],
  ] as const) {
    const env = { DARKROOM_SERVER_URL: url, DARKROOM_API_KEY: "x", DARKROOM_SERVER_CERT_FILE: cert };
    const { code, stderr } = await run(["client", "list"], env).finished;
    expect([code, stderr]).toEqual([1, expect.stringMatching(said)]);
  }
});

test("files that make no TLS are refused at the start, by the variable's name", async ({ skip }) => {
  if (!hasCommand("openssl")) skip("openssl is not installed");
  const directory = scratchDirectory();
  const [own, other] = [certify(directory), certify(directory, "other")];
  const { cert: weakCert, key: weakKey } = certify(directory, "weak", ["rsa:1024"]);
  const weak = [weakCert, weakKey] as const;
  for (const [variable, cert, key] of [
    ["TLS_CERT_FILE", own.key, own.cert],
    ["TLS_CERT_FILE", "/dev/null", own.key],
    ["TLS_KEY_FILE", own.cert, "/dev/null"],
    ["TLS_KEY_FILE", own.cert, own.cert],
    ["TLS_KEY_FILE", own.cert, other.key],
    ["TLS_KEY_FILE", own.cert, certify(directory, "rsa", ["rsa:2048"]).key],
    ["TLS_CERT_FILE", ...weak],
  ] as const) {
    const env = { PORT: "0", DARKROOM_DATA_DIR: join(directory, "data"), TLS_CERT_FILE: cert, TLS_KEY_FILE: key };
    expect(await run(["serve"], env).finished).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(new RegExp(`^darkroom: ${variable}: must be a file with [^\\n]+\\n$`)),
    });
  }
});
