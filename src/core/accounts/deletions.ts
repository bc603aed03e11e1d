import { doAll } from "../../helpers/do-all.ts";
import { inTime } from "../../helpers/in-time.ts";
import { type Account, buried } from "../../model/account.ts";
import { DomainError } from "../../model/errors.ts";
import type { UserPrincipal } from "../../model/principal.ts";
import { termsOf } from "../../model/surface.ts";
import { type Clock, clockSkewMs } from "../../ports/clock.ts";
import type { JobStore } from "../../ports/job-store.ts";
import type { Log } from "../../ports/log.ts";
import type { SessionStore } from "../../ports/session-store.ts";
import type { SignInAttemptStore } from "../../ports/sign-in-attempt-store.ts";
import type { Usage } from "../admission/usage.ts";
import { needAnotherWriter } from "../change-record.ts";
import type { Files } from "../images/files.ts";
import type { Images } from "../images/images.ts";
import type { AccountRecords } from "./account-records.ts";
import { keepAnAdmin } from "./last-admin.ts";
import { checkPassword, needSamePassword, type PasswordCheckDeps } from "./password-check.ts";

const batch = 100;
/** How long a call waits for the rest, which may be thousands of pictures. */
const restMs = 5000;

interface DeletionsDeps extends PasswordCheckDeps {
  readonly accountRecords: AccountRecords;
  readonly sessions: SessionStore;
  readonly jobs: JobStore;
  readonly files: Files;
  readonly images: Images;
  readonly attempts: SignInAttemptStore;
  readonly usage: Usage;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Deletes accounts with their sessions, jobs, files and pictures. The first write hides the account from everybody and
 * frees its names; any server can repeat the rest. The sweeper deletes the record itself last: other servers know the
 * account for a moment longer, and what they accept meanwhile must be deleted too.
 */
export class Deletions {
  readonly #deps: DeletionsDeps;
  readonly #stopping = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(deps: DeletionsDeps) {
    this.#deps = deps;
  }

  async deleteOwn(by: UserPrincipal, address: string, password: string): Promise<void> {
    await checkPassword(this.#deps, by, address, { password, field: "password" });
    await this.delete(by.account.id, by.account);
  }

  /** Deletes the account by its access token alone, without the password. */
  async deleteByAccess({ account, sessionId }: UserPrincipal): Promise<void> {
    const session = await this.#deps.sessions.get(sessionId);
    // On other APIs a stolen access token must not be enough.
    if (session === undefined || !termsOf[session.surface].isAccessEnough) throw passwordNeeded();
    await this.delete(account.id);
  }

  /**
   * Resolves when nobody can sign in any more, and most often the rest is gone: it goes on behind the call when there is
   * much of it. Where it fails or the process ends, the sweeper does it. `checked` is the account as it was when its
   * password was checked.
   */
  async delete(id: string, checked?: Account): Promise<void> {
    const { accountRecords, clock } = this.#deps;
    await keepAnAdmin(accountRecords.store, await accountRecords.get(id));
    const account = await accountRecords.change(id, (current) => {
      if (checked !== undefined) needSamePassword(current, checked);
      return buried(current, clock());
    });
    const rest = this.#tryPurge(account);
    this.#running = this.#running.then(() => rest);
    await inTime(restMs, rest).catch(() => {});
  }

  /** Resolves when all that calls began to delete is gone, or could not be deleted. */
  async idle(): Promise<void> {
    await this.#running;
  }

  /** Leaves the rest to the next process. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.idle();
  }

  /** Deletes what is left of deleted accounts. Resolves to the number of records that are gone too. */
  async sweep(limit: number): Promise<number> {
    const { accountRecords, clock } = this.#deps;
    let gone = 0;
    for (const account of await accountRecords.store.listDeleted(limit)) {
      const isForgotten = clock() - (account.deletedAt ?? 0) >= clockSkewMs;
      if (!(await this.#tryPurge(account)) || !isForgotten) continue;
      await accountRecords.store.delete(account.id);
      gone += 1;
    }
    return gone;
  }

  /** Whether nothing is left. */
  async #tryPurge({ id }: Account): Promise<boolean> {
    try {
      await this.#purge(id);
      return !this.#stopping.signal.aborted;
    } catch (error) {
      this.#deps.log.warn({ err: error, account: id }, "a deleted account's data could not be deleted; it will be");
      return false;
    }
  }

  async #purge(id: string): Promise<void> {
    const { sessions, files, images, attempts, usage } = this.#deps;
    const stopping = this.#stopping.signal;
    await doAll([
      () => sessions.deleteByAccount(id),
      () => this.#deleteJobs(id),
      () => files.deleteOf(id, stopping),
      () => images.deleteOf(id, stopping),
      () => attempts.delete(id),
      () => usage.deleteOf(id),
    ]);
  }

  /**
   * A job that changes meanwhile is seen again in the next round; without end, if one takes no write. Each server's sweeper
   * may delete the same ones.
   */
  async #deleteJobs(ownerId: string): Promise<void> {
    const { jobs } = this.#deps;
    for (;;) {
      const found = await jobs.list({ ownerId, states: [], after: undefined, limit: batch });
      const [first] = found;
      if (first === undefined || this.#stopping.signal.aborted) return;
      const deleted = await Promise.all(found.map(({ id, version }) => jobs.delete(id, version)));
      if (!deleted.includes(true)) await needAnotherWriter(jobs, first);
    }
  }
}

function passwordNeeded(): DomainError {
  const message = "this token is not enough: log in by the same API, or send the password to DeleteProfile";
  return new DomainError("failed_precondition", "REAUTHENTICATION_NEEDED", message);
}
