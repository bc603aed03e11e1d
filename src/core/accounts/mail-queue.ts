import { setTimeout as pause } from "node:timers/promises";
import { inTime } from "../../helpers/in-time.ts";
import type { Letter } from "../../model/mails.ts";
import type { Log } from "../../ports/log.ts";
import type { Mailer } from "../../ports/mailer.ts";

/** At most so many letters wait for the mail server; further ones are dropped, and the log says so. */
const waitingMax = 1000;
/** The pauses between the tries to send a letter. */
const pausesMs = [1000, 2000, 4000];
/** How long a stop waits for a mail server, which may take minutes for a letter. */
const stopMs = 5000;

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
    this.inBackground(() => this.#persist(() => mailer.send({ to, ...letter })));
  }

  /** Rejects with the error of the last try, also when a stop prevents the next. */
  async #persist(send: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    for (const ms of pausesMs) {
      try {
        return await send();
      } catch (error) {
        await pause(ms, undefined, { signal }).catch(() => {
          throw error;
        });
      }
    }
    return send();
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

  /** Finishes what was asked for, within `stopMs`; letters whose sending fails are not tried again. */
  async stop(): Promise<void> {
    const { mailer, log } = this.#deps;
    this.#stopping.abort();
    await inTime(stopMs, this.#idle()).catch((err: unknown) => {
      log.error({ err, waiting: this.#waiting.size }, "a mail could not be sent");
    });
    mailer?.close();
  }

  async #idle(): Promise<void> {
    while (this.#waiting.size > 0) await Promise.all(this.#waiting);
  }
}
