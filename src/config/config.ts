import { isIP } from "node:net";
import { resolve } from "node:path";
import { type LogLevel, logLevels } from "../log/log.ts";
import { newPasswordRule, usernameRule } from "../model/account.ts";
import type { RateLimits } from "../model/rate-limits.ts";
import type { EngineSettings, OldApi, RelaySettings, Tls, TrustedProxies } from "../model/settings.ts";
import { dayMs } from "../model/time.ts";
import { dailyRequestsMax } from "../model/usage.ts";
import { type Authentication, readAuthentication } from "./authentication.ts";
import { readBaseUrl } from "./base-url.ts";
import { ConfigError } from "./error.ts";
import { type ImageServiceConfig, readImageService } from "./image-service.ts";
import { type MailConfig, readMail } from "./mail.ts";
import { readModels } from "./models.ts";
import { type MongodbConfig, readMongodb } from "./mongodb.ts";
import { readOldApis } from "./old-apis.ts";
import { readRateLimits } from "./rate-limits.ts";
import { type Environment, type Reader, reader } from "./reader.ts";
import { readRelay } from "./relay.ts";
import { readServerAddress, type ServerAddress } from "./server-address.ts";
import { readServiceBus, type ServiceBusConfig } from "./service-bus.ts";
import { readCookieDomain } from "./session-cookie.ts";
import { readTls } from "./tls.ts";
import { readTrustedProxies } from "./trusted-proxies.ts";

export { ConfigError } from "./error.ts";
export type { Environment } from "./reader.ts";

export interface ServerConfig extends Authentication {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly dataDir: string;
  /** Where everything but the queues is stored; undefined for the data directory. */
  readonly mongodb: MongodbConfig | undefined;
  /** Where the queues are; undefined for the data directory. */
  readonly serviceBus: ServiceBusConfig | undefined;
  /** Undefined where there is neither an image service nor a worker of the first system. */
  readonly imageService: ImageServiceConfig | undefined;
  readonly tls: Tls | undefined;
  readonly mail: MailConfig | undefined;
  readonly corsOrigins: readonly string[];
  readonly trustedProxies: TrustedProxies;
  readonly rateLimits: RateLimits;
  /** Metered requests of a user in a day; undefined for any number. */
  readonly dailyRequests: number | undefined;
  readonly cookieDomain: string | undefined;
  readonly jwtSecret: string | undefined;
  readonly clientTokenMs: number;
  readonly rotateKeyMs: number;
  readonly signUpEnabled: boolean;
  readonly admin: { readonly username: string; readonly password: string | undefined };
  readonly keepUploadMs: number;
  readonly keepResultMs: number;
  readonly keepAuditMs: number;
  readonly bodyMs: number;
  readonly leaseMs: number;
  /** How long requests may wait for the event loop before calls are refused. */
  readonly waitMaxMs: number;
  /** The most bytes of UploadImage's large bodies at a time. */
  readonly uploadsMax: number;
  /** Whether unary calls and server streams take the fast path. */
  readonly fastRpc: boolean;
  /** Other workers' models, with the queue of each. */
  readonly models: ReadonlyMap<string, string>;
  /** The model of jobs that name none; undefined for the first of our own. */
  readonly defaultModel: string | undefined;
  /** The engines of the server's workers: it lists their models. */
  readonly engines: EngineSettings;
  /** The old systems whose routes are served. */
  readonly oldApis: ReadonlySet<OldApi>;
  /** Undefined where nothing is relayed. */
  readonly relay: RelaySettings | undefined;
  readonly logLevel: LogLevel;
}

export interface WorkerConfig extends ServerAddress {
  readonly dataDir: string;
  readonly serviceBus: ServiceBusConfig | undefined;
  /** Jobs at a time. */
  readonly concurrency: number;
  /** Where the worker serves its health; undefined for nowhere. */
  readonly health: { readonly host: string; readonly port: number } | undefined;
  readonly engines: EngineSettings;
  readonly logLevel: LogLevel;
}

/**
 * The longest that JWT_EXPIRY may be. Signing keys are kept at least this long after their last use, whatever each
 * server's setting is.
 */
export const clientTokenMaxMs = dayMs;
const healthPort = "DARKROOM_WORKER_HEALTH_PORT";

/** Throws ConfigError for whatever is doubtful. */
export function readServerConfig(env: Environment): ServerConfig {
  const read = reader(env);
  const host = read.text("HOST") ?? "127.0.0.1";
  const mongodb = readMongodb(read);
  const serviceBus = readServiceBus(read);
  const trustedProxies = readTrustedProxies(read);
  return {
    host,
    port: read.integer("PORT", 8080, 0, 65_535),
    dataDir: resolve(read.text("DARKROOM_DATA_DIR") ?? "data"),
    mongodb,
    serviceBus,
    imageService: readImageService(read),
    ...readAuthentication(read, {
      host,
      isEmbedded: mongodb === undefined,
      isProxied: trustedProxies !== undefined,
    }),
    tls: readTls(read),
    corsOrigins: readOrigins(read),
    mail: readMail(read),
    trustedProxies,
    rateLimits: readRateLimits(read),
    dailyRequests: read.integer("DARKROOM_DAILY_REQUESTS", undefined, 1, dailyRequestsMax),
    cookieDomain: readCookieDomain(read),
    jwtSecret: readJwtSecret(read),
    clientTokenMs: read.integer("JWT_EXPIRY", 3600, 60, clientTokenMaxMs / 1000) * 1000,
    rotateKeyMs: read.integer("DARKROOM_KEY_ROTATION_DAYS", 90, 1, 3650) * dayMs,
    signUpEnabled: read.flag("SIGNUP_ENABLED", true),
    admin: readAdmin(read),
    keepUploadMs: read.integer("DARKROOM_KEEP_UPLOADS_DAYS", 7, 1, 3650) * dayMs,
    keepResultMs: read.integer("DARKROOM_KEEP_RESULTS_DAYS", 30, 1, 3650) * dayMs,
    keepAuditMs: read.integer("DARKROOM_KEEP_AUDIT_DAYS", 365, 1, 3650) * dayMs,
    bodyMs: read.integer("DARKROOM_BODY_TIMEOUT_SECONDS", 120, 1, 3600) * 1000,
    leaseMs: read.integer("DARKROOM_LEASE_SECONDS", 15, 1, 300) * 1000,
    waitMaxMs: read.integer("DARKROOM_SHED_AFTER_MS", 250, 10, 60_000),
    uploadsMax: read.integer("DARKROOM_UPLOADS_MAX_MIB", 256, 1, 65_536) * 1024 * 1024,
    fastRpc: read.flag("DARKROOM_FAST_RPC", true),
    models: readModels(read, serviceBus?.resultQueue),
    defaultModel: read.text("DARKROOM_DEFAULT_MODEL"),
    engines: readEngines(read),
    oldApis: readOldApis(read),
    relay: readRelay(read),
    logLevel: readLogLevel(read),
  };
}

/** Throws ConfigError for whatever is doubtful. */
export function readWorkerConfig(env: Environment): WorkerConfig {
  const read = reader(env);
  return {
    ...readServerAddress(read),
    dataDir: resolve(read.text("DARKROOM_DATA_DIR") ?? "data"),
    serviceBus: readServiceBus(read),
    concurrency: read.integer("DARKROOM_WORKER_CONCURRENCY", 1, 1, 64),
    health: readHealth(read),
    engines: readEngines(read),
    logLevel: readLogLevel(read),
  };
}

/** Reads the certificate and the key again from their files. Throws ConfigError for whatever is doubtful. */
export function readServerTls(env: Environment): Tls | undefined {
  return readTls(reader(env));
}

/** Checks the configuration of the worker inside a server: one that can never start would be started again and again. */
export function checkWorkerInside(env: Environment, { port }: ServerConfig): void {
  const { health } = readWorkerConfig(env);
  if (port !== 0 && health?.port === port) throw new ConfigError(healthPort, "must be another port than PORT");
}

/** The server that the operators' commands call. Throws ConfigError for whatever is doubtful. */
export function readOperatorsServer(env: Environment): ServerAddress {
  return readServerAddress(reader(env), "http://127.0.0.1:8080");
}

function readHealth(read: Reader): WorkerConfig["health"] {
  if (read.text(healthPort) === undefined) return undefined;
  return { host: read.text("HOST") ?? "127.0.0.1", port: read.integer(healthPort, 0, 0, 65_535) };
}

function readOrigins(read: Reader): string[] {
  const name = "CORS_ORIGINS";
  const origins = read.list(name);
  for (const origin of origins) {
    // URL.origin cannot be used: it is "null" for an app's page, such as capacitor://localhost.
    const { protocol, host } = URL.parse(origin) ?? { protocol: "", host: "" };
    if (host === "" || origin !== `${protocol}//${host}`) {
      const rule = "is no origin as browsers send it, such as https://app.example.com, without a slash at its end";
      throw new ConfigError(name, `${origin} ${rule}`);
    }
  }
  return origins;
}

function readJwtSecret(read: Reader): string | undefined {
  const name = read.text("JWT_SECRET") === undefined ? "JWT_SECRET_KEY" : "JWT_SECRET";
  const secret = read.text(name);
  if ((read.text("JWT_SECRET_KEY") ?? secret) !== secret)
    throw new ConfigError("JWT_SECRET_KEY", "must be the same as JWT_SECRET where both are set");
  // RFC 7518, section 3.2: a key at least as long as the hash.
  if (secret !== undefined && Buffer.byteLength(secret) < 32)
    throw new ConfigError(name, "must have at least 32 bytes");
  return secret;
}

function readAdmin(read: Reader): ServerConfig["admin"] {
  const username = read.text("DARKROOM_ADMIN_USERNAME") ?? "admin";
  const password = read.text("DARKROOM_ADMIN_PASSWORD");
  const brokenName = usernameRule(username);
  if (brokenName !== undefined) throw new ConfigError("DARKROOM_ADMIN_USERNAME", brokenName);
  const brokenPassword = password === undefined ? undefined : newPasswordRule(password, () => false);
  if (brokenPassword !== undefined) throw new ConfigError("DARKROOM_ADMIN_PASSWORD", brokenPassword);
  return { username, password };
}

function readEngines(read: Reader): EngineSettings {
  const timeoutMs = read.integer("SD_WEBUI_TIMEOUT_SECONDS", 600, 1, 86_400) * 1000;
  const credentials = read.text("SD_WEBUI_API_AUTH");
  if (credentials !== undefined && !/^[^:]+:./.test(credentials))
    throw new ConfigError("SD_WEBUI_API_AUTH", "must be user:password");
  const url = readBaseUrl(read, "SD_WEBUI_URL");
  if (url !== undefined) return { sdWebui: { url, timeoutMs, credentials } };
  if (credentials !== undefined) throw new ConfigError("SD_WEBUI_API_AUTH", "must be given with SD_WEBUI_URL");
  return { sdWebui: undefined };
}

function readLogLevel(read: Reader): LogLevel {
  const level = read.text("LOG_LEVEL") ?? "info";
  const known = logLevels.find((name) => name === level);
  if (known === undefined) throw new ConfigError("LOG_LEVEL", `must be one of ${logLevels.join(", ")}`);
  return known;
}

/** The URL by which others on this machine reach a server that listens on `host`. */
export function serverUrl(host: string, port: number, isTls: boolean): string {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `${isTls ? "https" : "http"}://${isIP(reachable) === 6 ? `[${reachable}]` : reachable}:${port}`;
}
