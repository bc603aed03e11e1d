import { createTransport } from "nodemailer";
import type { Mailer } from "../../ports/mailer.ts";

const timeoutMs = 10_000;

/** Sends mail by the server at `url`, `smtp:` or `smtps:`. */
export function smtpMailer({ url, from }: { readonly url: string; readonly from: string }): Mailer {
  const timeouts = { connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs };
  const transport = createTransport({ url, ...timeouts, disableFileAccess: true, disableUrlAccess: true });
  return {
    async send({ to, subject, text }) {
      // The recipient is an object: in a text a comma would begin another one.
      await transport.sendMail({ from, to: { name: "", address: to }, subject, text });
    },
    close: () => transport.close(),
  };
}
