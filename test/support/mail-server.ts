import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";
import { onTestFinished, vi } from "vitest";

export interface Received {
  readonly from: string;
  readonly to: readonly string[];
  readonly text: string;
}

/** A real mail server on a free port; it stops when the test that asked for it ends. With a password it takes that alone. */
export async function serveMail(password?: string) {
  const received: Received[] = [];
  const server = new SMTPServer({
    authOptional: password === undefined,
    disabledCommands: ["STARTTLS"],
    allowInsecureAuth: true,
    onAuth(auth, _session, done) {
      if (auth.password === password) done(null, { user: auth.username });
      else done(new Error("wrong password"));
    },
    async onData(stream, session, done) {
      const text = Buffer.concat(await stream.toArray()).toString();
      const { mailFrom, rcptTo } = session.envelope;
      received.push({
        from: mailFrom === false ? "" : mailFrom.address,
        to: rcptTo.map(({ address }) => address.replaceAll('"', "")),
        text: text.replace(/=\r\n/g, "").replaceAll("=3D", "="),
      });
      done();
    },
  });
  const listening = server.listen(0, "127.0.0.1");
  await once(listening, "listening");
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
  const { port } = listening.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${port}`,
    received,
    /** The next mail to an address, once it is there. */
    async mailTo(address: string, subject: string): Promise<Received> {
      const find = () => received.find(({ to, text }) => to.includes(address) && text.includes(`Subject: ${subject}`));
      return (await vi.waitUntil(find, { timeout: 20_000 })) as Received;
    },
  };
}

export function tokenIn({ text }: Received): string {
  return /\bd[ep]_[\w-]{80}\b/.exec(text)?.[0] ?? "no token";
}
