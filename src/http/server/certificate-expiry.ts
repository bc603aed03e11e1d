import { X509Certificate } from "node:crypto";
import { dayMs } from "../../model/time.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Log } from "../../ports/log.ts";

/** Certificates that live for six days are renewed when they have two left. */
const soonMs = 2 * dayMs;

/** Warns each day of a certificate that has expired or soon will, if there is one, until the returned function is called. */
export function warnOfExpiry(cert: () => string | undefined, clock: Clock, log: Log): () => void {
  const look = () => {
    const pem = cert();
    if (pem === undefined) return;
    const { validTo, validToDate } = new X509Certificate(pem);
    if (validToDate.getTime() - clock() < soonMs) log.warn({ until: validTo }, "the certificate of TLS_CERT_FILE ends");
  };
  look();
  const looking = setInterval(look, dayMs).unref();
  return () => clearInterval(looking);
}
