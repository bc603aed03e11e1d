import { randomUUID } from "node:crypto";
import type { Account } from "../../src/model/account.ts";
import type { Client } from "../../src/model/client.ts";
import { fileNameKey, type StoredFile } from "../../src/model/file.ts";
import type { Image } from "../../src/model/image.ts";
import { type ImageJob, newJob } from "../../src/model/image-job.ts";
import type { Timing } from "../../src/model/job-life.ts";
import type { Session } from "../../src/model/session.ts";
import { termsOf } from "../../src/model/surface.ts";
import { type DailyUsage, usageId } from "../../src/model/usage.ts";

/** To come: some servers delete what has ended. */
export const sampleTime = Date.UTC(2126, 1, 3, 4, 5, 6, 789);

/** Texts that engines store, compare or escape differently. */
export const oddTexts = [
  "",
  " ",
  "a\0b",
  "line\r\nline\ttab",
  "'; DROP TABLE jobs; --",
  "$where",
  "$$NOW",
  '{"$gt":""}',
  "a.b.c",
  ".",
  "__proto__",
  "null",
  "é (composed) e\u0301 (combined)",
  "日本語 עברית ไทย",
  "👩‍👩‍👧‍👦🏳️‍🌈",
  "\u{10FFFD}\u200B\uFEFF",
];

/** In order: where engines change from one kind of number to another. */
export const growingNumbers = [0, 1, 9, 10, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 999_999_999_999, 1e12, 2 ** 53 - 1];

/** Keys that are different although a collation may say otherwise. */
export const distinctKeys = ["anna", "Anna", "ANNA", "änna", "a\u0308nna", "anna ", " anna", "ａnna", "ann", "annaa"];

export function sampleAccount(change: Partial<Account> = {}): Account {
  const id = randomUUID();
  const name = `user-${id.slice(0, 8)}`;
  return {
    id,
    recordId: id.replaceAll("-", "").slice(0, 15),
    username: name,
    email: `${name}@example.org`,
    usernameKey: name,
    emailKey: `${name}@example.org`,
    passwordHash: "$2b$04$abcdefghijklmnopqrstuv",
    role: "user",
    disabled: false,
    passwordReset: null,
    emailChange: null,
    metadata: {},
    sessionEpoch: 0,
    keptSessionId: null,
    deletedAt: null,
    createdAt: sampleTime,
    updatedAt: sampleTime + 1,
    version: 1,
    ...change,
  };
}

export function sampleSession(change: Partial<Session> = {}): Session {
  return {
    id: randomUUID(),
    accountId: randomUUID(),
    surface: "own",
    createdAt: sampleTime,
    expiresAt: sampleTime + termsOf.own.lifeMs,
    idleAt: sampleTime + termsOf.own.idleMs,
    lastUsedAt: sampleTime,
    refreshHash: "current",
    previousRefreshHash: null,
    refreshedAt: sampleTime,
    epoch: 0,
    sessionTokenHash: null,
    userAgent: "",
    address: "192.0.2.1",
    version: 1,
    ...change,
  };
}

export function sampleClient(change: Partial<Client> = {}): Client {
  return {
    id: randomUUID().replaceAll("-", "").slice(0, 16),
    name: "a service",
    description: "",
    scopes: ["jobs:submit", "jobs:read"],
    expiresAt: null,
    limitPerMinute: null,
    disabled: false,
    keyHash: "$2b$04$abcdefghijklmnopqrstuv",
    keyVersion: 1,
    previousKeyHash: null,
    previousKeyUntil: null,
    lastUsedAt: null,
    createdAt: sampleTime,
    updatedAt: sampleTime,
    version: 1,
    ...change,
  };
}

export function sampleImage(change: Partial<Image> = {}): Image {
  return {
    id: randomUUID(),
    ownerId: randomUUID(),
    jobId: null,
    type: "image/png",
    width: 640,
    height: 480,
    size: 12_345,
    ready: true,
    createdAt: sampleTime,
    expiresAt: sampleTime + 1000,
    ...change,
  };
}

export function sampleFile(change: Partial<StoredFile> = {}): StoredFile {
  const [id, ownerId] = [randomUUID(), randomUUID()];
  return {
    id,
    ownerId,
    name: "notes.pdf",
    nameKey: fileNameKey(ownerId, "notes.pdf"),
    chatId: null,
    size: 12_345,
    imageId: null,
    ready: true,
    createdAt: sampleTime,
    expiresAt: sampleTime + 1000,
    ...change,
  };
}

export function sampleUsage(change: Partial<DailyUsage> = {}): DailyUsage {
  const day = { userId: randomUUID(), email: "ada@example.org", date: "2126-02-03" };
  return { id: usageId({ ...day, ...change }), ...day, count: 3, ...change };
}

export const sampleTiming: Timing = {
  leaseMs: 30_000,
  leaseMarginMs: 2000,
  publishMs: 5000,
  resendMs: 60_000,
  resendMaxMs: 3_600_000,
  keepMs: 1_000_000,
};

export function sampleJob(change: Partial<ImageJob> = {}): ImageJob {
  const wanted = {
    imageId: randomUUID(),
    prompt: "a lighthouse at dusk",
    promptGuidance: undefined,
    strength: undefined,
    modelType: "",
    seed: undefined,
    imageCount: undefined,
    deadline: undefined,
    requestId: "",
  };
  const made = {
    id: randomUUID(),
    ownerId: "owner",
    fingerprint: "fingerprint",
    defaultModel: "studio",
    randomSeed: 2 ** 32 - 1,
    now: sampleTime,
    dispatchAt: sampleTime + 10_000,
  };
  const job = newJob(wanted, made);
  const id = change.id ?? job.id;
  return { ...job, id, requestKey: id, operation: id, ...change };
}

/** `count` results of `work`, all started at once. */
export function atOnce<T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => work(index)));
}
