export interface Mail {
  /** One address; nothing else that a mail header could hold. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

export interface Mailer {
  /** Resolves when a mail server has accepted the mail; rejects when it refuses it, or says nothing for ten seconds. */
  send(mail: Mail): Promise<void>;
  close(): void;
}
