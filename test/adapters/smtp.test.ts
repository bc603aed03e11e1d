import { expect, test } from "vitest";
import { smtpMailer } from "../../src/adapters/smtp/mailer.ts";
import { serveMail } from "../support/mail-server.ts";

test("a mail goes to a server without TLS, but not where the URL requires it", async () => {
  const server = await serveMail();
  const send = (url: string) =>
    smtpMailer({ url, from: "darkroom@example.com" }).send({ to: "ada@example.com", subject: "Hello", text: "" });
  await expect(send(`${server.url}?requireTLS=true`)).rejects.toThrow(/STARTTLS/);
  expect(server.received).toEqual([]);
  await send(server.url);
  expect(server.received).toMatchObject([{ to: ["ada@example.com"] }]);
});
