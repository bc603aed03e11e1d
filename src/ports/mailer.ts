import type { Letter } from "../model/mails.ts";

export interface Mail extends Letter {
  /** One address; nothing else that a mail header could hold. */
  readonly to: string;
}

export interface Mailer {
  /** Resolves when a mail server has accepted the mail; rejects when it refuses it, or says nothing for ten seconds. */
  send(mail: Mail): Promise<void>;
  close(): void;
}
