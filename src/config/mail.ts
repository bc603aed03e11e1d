import { emailRule } from "../model/account.ts";
import { ConfigError } from "./error.ts";
import type { Reader } from "./reader.ts";

export interface MailConfig {
  /** Holds a password: for the mailer alone. */
  readonly url: string;
  readonly from: string;
  /** A page that takes a token in its fragment; undefined for mails with the token alone. */
  readonly page: string | undefined;
}

/** Undefined where mail is not set up. Errors repeat no part of the URL: it may hold a password. */
export function readMail(read: Reader): MailConfig | undefined {
  const [url, from, page] = [read.text("SMTP_URL"), read.text("MAIL_FROM"), read.text("MAIL_PAGE_URL")];
  if (url === undefined) {
    const [stray] = ["MAIL_FROM", "MAIL_PAGE_URL"].filter((name) => read.text(name) !== undefined);
    if (stray !== undefined) throw new ConfigError(stray, "must be given with SMTP_URL");
    return undefined;
  }
  if (!isAddress(url, ["smtp:", "smtps:"]))
    throw new ConfigError("SMTP_URL", "must be like smtps://user:password@mail.example.com, percent-encoded");
  if (from === undefined || emailRule(from) !== undefined)
    throw new ConfigError("MAIL_FROM", "must be the address that mail comes from");
  if (page !== undefined && !isAddress(page, ["http:", "https:"]))
    throw new ConfigError("MAIL_PAGE_URL", "must be an address such as https://app.example.com/account");
  return { url, from, page };
}

function isAddress(text: string, protocols: readonly string[]): boolean {
  const url = URL.parse(text);
  return url !== null && protocols.includes(url.protocol) && url.hostname !== "" && url.hash === "";
}
