export interface Mail {
  /** One address; nothing else that a mail header could hold. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

export interface Mailer {
  /** Resolves when a server has taken it on; rejects when none did within half a minute. */
  send(mail: Mail): Promise<void>;
  close(): void;
}
