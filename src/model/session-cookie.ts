import { sessionTokenLifeMs } from "./session.ts";

const name = "session";

export interface CookieSetting {
  /** Sent to this domain and those below it; undefined for the host alone that set it. */
  readonly domain: string | undefined;
  /** Whether the answer goes out by TLS. */
  readonly isSecure: boolean;
}

/** `Set-Cookie` that stores the session token in a browser; undefined deletes it. */
export function sessionCookie(token: string | undefined, { domain, isSecure }: CookieSetting): string {
  const maxAge = token === undefined ? 0 : sessionTokenLifeMs / 1000;
  const attributes = ["Path=/", `Max-Age=${maxAge}`, "HttpOnly", "SameSite=Lax"];
  if (domain !== undefined) attributes.push(`Domain=${domain}`);
  if (isSecure) attributes.push("Secure");
  return [`${name}=${token ?? ""}`, ...attributes].join("; ");
}

/** The token in a browser's cookies; some clients put quotes around it (RFC 6265, section 4.1.1). */
export function sessionTokenIn(cookies: Readonly<Record<string, string | undefined>>): string | undefined {
  return cookies[name]?.replace(/^"(.*)"$/, "$1") || undefined;
}
