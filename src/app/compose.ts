import { ConfigError, type ServerConfig } from "../config/config.ts";
import type { MailConfig } from "../config/mail.ts";
import { AccountRecords } from "../core/accounts/account-records.ts";
import { Accounts } from "../core/accounts/accounts.ts";
import { Deletions } from "../core/accounts/deletions.ts";
import { Guessing } from "../core/accounts/guessing.ts";
import { MailQueue } from "../core/accounts/mail-queue.ts";
import { Profiles } from "../core/accounts/profiles.ts";
import { Recovery } from "../core/accounts/recovery.ts";
import { Sessions } from "../core/accounts/sessions.ts";
import { ensureTestUser } from "../core/accounts/test-user.ts";
import { Users } from "../core/accounts/users.ts";
import { Admission } from "../core/admission/admission.ts";
import { Authentication } from "../core/admission/authentication.ts";
import { cachedStores } from "../core/admission/cached-stores.ts";
import { RateLimiter } from "../core/admission/rate-limiter.ts";
import { Usage } from "../core/admission/usage.ts";
import { Audit } from "../core/audit.ts";
import { Clients } from "../core/clients.ts";
import { Health } from "../core/health.ts";
import { Files } from "../core/images/files.ts";
import { OwnImages } from "../core/images/own-images.ts";
import { ServiceImages } from "../core/images/service-images.ts";
import { DeadLetters } from "../core/jobs/dead-letters.ts";
import { Dispatcher } from "../core/jobs/dispatcher.ts";
import { ImageJobs } from "../core/jobs/image-jobs.ts";
import { JobChanges } from "../core/jobs/job-changes.ts";
import { JobQueues } from "../core/jobs/job-queues.ts";
import { JobRecords } from "../core/jobs/job-records.ts";
import { Leases } from "../core/jobs/leases.ts";
import { Results } from "../core/jobs/results.ts";
import { SentJobs } from "../core/jobs/sent-jobs.ts";
import { Sweeper } from "../core/sweeper.ts";
import { pingUpstream } from "../http/relay/ping.ts";
import type { Timing } from "../model/job-life.ts";
import { type ModelRoutes, modelRule } from "../model/models.ts";
import { hourMs, minuteMs } from "../model/time.ts";
import { type Clock, clocksApartMs } from "../ports/clock.ts";
import type { Passwords } from "../ports/credentials.ts";
import type { Log } from "../ports/log.ts";
import type { Mailer } from "../ports/mailer.ts";
import { listModels } from "../worker/engines/catalogue.ts";
import { openImageService, type Queues, type Stores } from "./backends.ts";
import { openCredentials } from "./credentials.ts";
import type { OnStop } from "./parts.ts";

interface Deps {
  readonly passwords: Passwords;
  readonly log: Log;
  readonly clock: Clock;
  readonly onStop: OnStop;
}

/** The use cases on their stores and queues. */
export async function compose(
  config: ServerConfig,
  stores: Stores,
  queues: Queues,
  { passwords, log, clock, onStop }: Deps,
) {
  const routes = routesOf(config);
  const { keepUploadMs, keepAuditMs, signUpEnabled, dailyRequests, relay } = config;
  const timing: Timing = {
    leaseMs: config.leaseMs,
    // With SQLite all servers run on one machine, so their clocks agree.
    leaseMarginMs: config.mongodb === undefined ? 0 : clocksApartMs,
    publishMs: 10_000,
    resendMs: minuteMs,
    resendMaxMs: hourMs,
    keepMs: config.keepResultMs,
  };
  const shared = cachedStores(stores, clock, log);
  // A store and a use case may share a name, as `files` do. Here it is the store; a use case that stands behind `...base`
  // takes its place.
  const base = {
    ...stores,
    ...shared,
    ...queues,
    jobQueues: new JobQueues({ ...queues, routes }),
    routes,
    accountRecords: new AccountRecords(shared.accounts, clock),
    ...(await openCredentials(config, stores.secrets, clock)),
    passwords,
    clock,
    timing,
    log,
  };

  const stranded = config.serviceBus === undefined ? [...config.models.keys()] : [];
  if (stranded.length > 0) log.warn({ models: stranded }, "no worker can take the jobs of these models");
  const everybody = config.authEnabled ? undefined : await ensureTestUser(base);
  if (everybody !== undefined) log.warn({}, "AUTHENTICATION IS OFF: whoever calls is the test user");
  const authentication = new Authentication({ ...base, everybody });
  const changes = new JobChanges(stores.jobs, (error) => log.error({ err: error }, "watched jobs could not be read"));
  const records = new JobRecords(stores.jobs, changes);
  const service = openImageService(config.imageService, log);
  const images =
    service === undefined
      ? new OwnImages({ ...base, authentication, keepUploadMs })
      : new ServiceImages({ ...base, authentication, service });
  const sent = new SentJobs({ ...base, records });
  const dispatcher = new Dispatcher({ ...base, sent });
  const guessing = new Guessing(base);
  const mailQueue = new MailQueue({ mailer: await openMailer(config.mail), log });
  const files = new Files({ ...base, images, authentication, keepUploadMs });
  const usage = new Usage({ ...base, dailyRequests });
  const deletions = new Deletions({ ...base, authentication, files, guessing, images, usage });
  onStop("mails", () => mailQueue.stop());
  onStop("watched jobs", () => changes.stop());
  onStop("jobs that are being sent", () => dispatcher.idle());
  const imageJobs = new ImageJobs({ ...base, records, changes, images, dispatcher });
  const sessions = new Sessions({ ...base, guessing });
  const limiter = new RateLimiter(base);
  const { relayIdentities: identities } = base;
  return {
    admission: new Admission({ authentication, limiter, rateLimits: config.rateLimits, usage }),
    audit: new Audit(base),
    accounts: new Accounts({ ...base, authentication, signUpEnabled }),
    authentication,
    clients: new Clients({ ...base, authentication, imageJobs }),
    deadLetters: new DeadLetters({ ...base, records, images, dispatcher }),
    cookieDomain: config.cookieDomain,
    deletions,
    files,
    health: new Health({
      ...base,
      backends: {
        database: { ping: stores.ping, isNeeded: true },
        // Without the queue or the image service, jobs are accepted all the same, and wait.
        queue: { ping: queues.ping, isNeeded: false },
        ...(service && { image_service: { ping: () => service.ping(), isNeeded: false } }),
        ...(relay && { relay: { ping: () => pingUpstream(relay.upstreamUrl), isNeeded: false } }),
      },
    }),
    images,
    jobs: imageJobs,
    leases: new Leases({ ...base, records }),
    oldApis: config.oldApis,
    relay: relay && identities && { settings: relay, identities },
    results: new Results({ ...base, records, images }),
    profiles: new Profiles({ ...base, authentication, guessing, mailQueue }),
    recovery: new Recovery({ ...base, authentication, guessing, mailQueue, mailPage: config.mail?.page }),
    sessions,
    signingKeys: base.signingKeys,
    sweeper: new Sweeper({ ...base, records, dispatcher, deletions, files, images, keepAuditMs }),
    usage,
    users: new Users({ ...base, sessions, guessing }),
  };
}

function routesOf({ engines, models, defaultModel, serviceBus }: ServerConfig): ModelRoutes {
  const own = listModels(engines);
  const taken = own.find(({ name }) => models.has(name));
  if (taken !== undefined)
    throw new ConfigError("DARKROOM_MODELS", `${taken.name} is a model of Darkroom's own workers; take another name`);
  const routes = { own, named: models, rest: serviceBus?.publishQueue, defaultModel: own[0].name };
  const broken = defaultModel === undefined ? undefined : modelRule(defaultModel, routes);
  if (broken !== undefined) throw new ConfigError("DARKROOM_DEFAULT_MODEL", broken);
  return { ...routes, defaultModel: defaultModel ?? routes.defaultModel };
}

async function openMailer(config: MailConfig | undefined): Promise<Mailer | undefined> {
  if (config === undefined) return undefined;
  // The package is loaded only where mail is set up.
  const { smtpMailer } = await import("../adapters/smtp/mailer.ts");
  return smtpMailer(config);
}
