import pRetry from "p-retry";
import type { Letter } from "../../model/mails.ts";
import type { Log } from "../../ports/log.ts";
import type { Mailer } from "../../ports/mailer.ts";

/** At most so many letters wait for the mail server; further ones are dropped, and the log says so. */
const waitingMax = 1000;
const retries = 3;

interface MailQueueDeps {
  /** Undefined where mail is not set up. */
  readonly mailer: Mailer | undefined;
  readonly log: Log;
}

/** Sends letters in the background: the time that a mail server takes would tell which addresses are known. */
export class MailQueue {
  readonly #deps: MailQueueDeps;
  readonly #stopping = new AbortController();
  readonly #waiting = new Set<Promise<void>>();

  constructor(deps: MailQueueDeps) {
    this.#deps = deps;
  }

  get isSetUp(): boolean {
    return this.#deps.mailer !== undefined;
  }

  /** Does nothing where mail is not set up, or where there is no address. */
  send(to: string | null, letter: Letter): void {
    const { mailer } = this.#deps;
    if (mailer === undefined || to === null) return;
    const sendOnce = () => mailer.send({ to, ...letter });
    this.inBackground(() => (this.#stopping.signal.aborted ? sendOnce() : this.#persist(sendOnce)));
  }

  /** Rejects with the error of the last try, also when a stop prevents the next. */
  async #persist(sendOnce: () => Promise<void>): Promise<void> {
    let failure: unknown;
    const attempt = async () => {
      failure = undefined;
      await sendOnce().catch((error: unknown) => {
        failure = error;
        throw error;
      });
    };
    // After a stop pRetry rejects even if the mail was sent.
    await pRetry(attempt, { retries, signal: this.#stopping.signal }).catch(() => {});
    if (failure !== undefined) throw failure;
  }

  /** Runs work that leads to a letter, without making the caller wait. */
  inBackground(work: () => Promise<void>): void {
    const { log } = this.#deps;
    if (this.#waiting.size >= waitingMax) {
      log.error({ waiting: waitingMax }, "a mail was dropped");
      return;
    }
    const running = work()
      .catch((error: unknown) => log.error({ err: error }, "a mail could not be sent"))
      .finally(() => this.#waiting.delete(running));
    this.#waiting.add(running);
  }

  /** Finishes all work that was asked for; letters whose sending fails are not tried again. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    while (this.#waiting.size > 0) await Promise.all(this.#waiting);
    this.#deps.mailer?.close();
  }
}
