import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { bearer, connect } from "../../src/client/index.ts";
import { serveMail, tokenIn } from "../support/mail-server.ts";
import { type Running, run } from "../support/process.ts";
import { refusal } from "../support/refusals.ts";
import { scratchDirectory } from "../support/scratch.ts";
import { adminPassword, signIn, signInAdmin, submitJob } from "../support/server.ts";
import { Broker } from "../support/service-bus-broker/broker.ts";
import { key as brokerKey } from "../support/service-bus-broker/tokens.ts";
import { openUpstream } from "../support/upstream.ts";

const random = () => randomBytes(24).toString("base64url");
const patience = { timeout: 60_000, interval: 50 };

/** What a server is told in its environment. */
const told = { smtpPassword: random(), serviceKey: random(), jwtSecret: random(), brokerKey, adminPassword };

/** A server without a worker, all that it prints, and where it keeps things. */
async function start(dataDir: string, env: Readonly<Record<string, string>>) {
  const settings = {
    PORT: "0",
    DARKROOM_DATA_DIR: dataDir,
    DARKROOM_ADMIN_PASSWORD: adminPassword,
    LOG_LEVEL: "debug",
  };
  const running = run(["serve", "--no-worker"], { ...settings, MAIL_FROM: "darkroom@example.com", ...env });
  const url = await running.printed(/listens on (\S+),/);
  return { running, url, ...connect(url) };
}

async function stop({ child, finished }: Running): Promise<string> {
  child.kill("SIGTERM");
  const { stdout, stderr } = await finished;
  return stdout + stderr;
}

async function opened(dataDir: string) {
  const [mail, upstream] = [await serveMail(told.smtpPassword), await openUpstream()];
  const broker = new Broker({ queues: ["darkroom-jobs", "darkroom-results"] });
  await broker.start();
  onTestFinished(() => broker.stop());
  onTestFinished(() => upstream.close());
  upstream.on("GET /v1/tools", (_request, response) => void response.end("ok"));
  const env = {
    SMTP_URL: mail.url.replace("//", `//darkroom:${told.smtpPassword}@`),
    RELAY_UPSTREAM_URL: upstream.url,
    IMAGE_SERVICE_API_KEY: told.serviceKey,
    AZURE_SERVICEBUS_CONNECTION_STRING: broker.connectionString,
  };
  return { mail, upstream, broker, env, ...(await start(dataDir, env)) };
}

type Opened = Awaited<ReturnType<typeof opened>>;

/** Tokens that are mailed or handed out: used, forged, and pasted where they do not belong. */
async function useTokens({ auth, mail, ...rest }: Opened) {
  const user = await signIn({ auth, ...rest });
  const [userId, email] = [user.account?.id ?? "", `${user.username}@example.com`];
  const operator = (await signInAdmin({ auth })).credential;
  await auth.requestEmailChange({ email, password: user.password }, user.credential);
  const emailToken = tokenIn(await mail.mailTo(email, "Confirm this address"));
  await auth.confirmEmailChange({ token: emailToken });
  await auth.requestPasswordReset({ email });
  const resetToken = tokenIn(await mail.mailTo(email, "Set a new password"));
  const { token: handedOut } = await auth.issueUserToken({ userId }, operator);
  const [forged, newPassword] = [`dp_${userId}_${randomBytes(32).toString("base64url")}`, random()];
  for (const token of [forged, resetToken]) await refusal(auth.resetPassword({ token, newPassword }));
  await refusal(auth.confirmEmailChange({ token: handedOut }));
  await refusal(auth.getUser({ userId: handedOut }, operator));
  await refusal(auth.requestPasswordReset({ email: handedOut }));
  await refusal(auth.checkAuth({}, bearer(handedOut)));
  await auth.resetPassword({ token: handedOut, newPassword });
  await mail.mailTo(email, "Your password was changed");
  return { emailToken, resetToken, handedOut, forged, newPassword };
}

/** A job's token, and the identity of a relayed call. */
async function useJobs({ auth, jobs, broker, upstream, url }: Opened) {
  const user = await signIn({ auth });
  const { jobId } = await submitJob({ jobs }, user.credential);
  const [sent] = await vi.waitUntil(() => {
    const waiting = broker.queue("darkroom-jobs").peek(0, 1);
    return waiting.length === 1 && waiting;
  }, patience);
  const { content } = (sent?.message.body ?? {}) as { content: Buffer };
  const { token: jobToken } = JSON.parse(String(content)) as { token: string };
  await auth.checkAuth({}, bearer(jobToken));
  await jobs.cancelImageJob({ jobId }, user.credential);
  await refusal(auth.checkAuth({}, bearer(jobToken)));

  const relay = () => fetch(`${url}/v1/tools`, { headers: { authorization: `Bearer ${user.token}` } });
  expect((await relay()).status).toBe(200);
  const identity = upstream.received[0]?.headers.authorization?.replace("Bearer ", "") ?? "";
  await refusal(auth.checkAuth({}, bearer(identity)));
  upstream.close();
  expect((await relay()).status).toBe(502);
  return { jobToken, identity };
}

/** The key of the first system's workers, right and almost, in every place. */
async function useServiceKey({ url }: Opened) {
  const almost = `${told.serviceKey.slice(0, -1)}${told.serviceKey.endsWith("A") ? "B" : "A"}`;
  for (const key of [told.serviceKey, almost])
    for (const headers of [{ authorization: key }, { authorization: `Bearer ${key}` }, { "x-api-key": key }])
      await fetch(`${url}/download/x?key=${key}`, { headers });
  return { almost };
}

/** A server whose mail server wants another password, whose image service is away, and whose broker goes away. */
async function startWithout({ env, mail, broker }: Opened, dataDir: string): Promise<string> {
  const { running, url, auth } = await start(dataDir, {
    ...env,
    SMTP_URL: mail.url.replace("//", `//darkroom:${told.smtpPassword}-wrong@`),
    IMAGE_SERVICE_URL: "http://127.0.0.1:9",
    JWT_SECRET: told.jwtSecret,
  });
  const email = `${randomBytes(6).toString("hex")}@example.com`;
  await auth.signUp({ email, password: random() });
  await auth.requestPasswordReset({ email });
  await broker.stop();
  await fetch(`${url}/health`);
  const says = (text: string) => running.output.stderr.includes(text);
  await vi.waitUntil(() => says("a mail could not be sent") && says("a backend is down"), patience);
  return stop(running);
}

test("no secret is printed or kept, of mails, jobs, relayed calls and the environment, whether they work or not", async () => {
  const dataDir = scratchDirectory();
  const server = await opened(dataDir);
  const used = { ...(await useTokens(server)), ...(await useJobs(server)), ...(await useServiceKey(server)) };
  const printed = [await stop(server.running), await startWithout(server, dataDir)];
  const files = readdirSync(dataDir, { recursive: true, encoding: "utf8" }).map((name) => join(dataDir, name));
  const kept = files.filter((path) => statSync(path).isFile()).map((path) => readFileSync(path, "latin1"));
  expect(printed.every((text) => text.includes("request_id"))).toBe(true);
  expect(kept.some((text) => text.includes("@example.com"))).toBe(true);
  for (const [name, secret] of Object.entries({ ...told, ...used })) {
    expect([name, secret.length > 15]).toEqual([name, true]);
    const found = [...printed, ...kept].filter((text) =>
      [secret, encodeURIComponent(secret)].some((as) => text.includes(as)),
    );
    expect([
      name,
      found.map((text) => text.slice(Math.max(0, text.indexOf(secret) - 200), text.indexOf(secret))),
    ]).toEqual([name, []]);
  }
}, 180_000);
