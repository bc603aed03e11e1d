import type { FastifyRequest } from "fastify";

/** RFC 6749, section 5.2. */
export interface OAuthError {
  readonly error: "invalid_request" | "invalid_client" | "invalid_scope" | "unsupported_grant_type";
  readonly error_description: string;
}

type Form = Readonly<Record<string, unknown>>;

/** Whether the request for a token follows OAuth 2, as its refusal must then, too. */
export function isOAuth(request: FastifyRequest): boolean {
  const isForm = /^application\/x-www-form-urlencoded\b/i.test(request.headers["content-type"] ?? "");
  return isForm || /^basic /i.test(request.headers.authorization ?? "");
}

/** The key and the scopes of a request by client credentials (RFC 6749, sections 2.3.1 and 4.4.2). */
export function clientCredentials(request: FastifyRequest): { key: string; scopes: string[] } | OAuthError {
  const form = (request.body ?? {}) as Form;
  const repeated = Object.keys(form).find((name) => typeof form[name] !== "string");
  if (repeated !== undefined) return refused("invalid_request", "a parameter is given twice");
  if (field(form, "grant_type") === "") return refused("invalid_request", "grant_type is missing");
  if (form.grant_type !== "client_credentials")
    return refused("unsupported_grant_type", "grant_type must be client_credentials");
  const basic = readBasic(request.headers.authorization);
  if (basic !== undefined && field(form, "client_secret") !== "")
    return refused("invalid_request", "the client must authenticate one way: in the header or in the form");
  const { id, secret } = basic ?? { id: field(form, "client_id"), secret: field(form, "client_secret") };
  // The secret is the whole API key, which names its client.
  if (id === "" || !secret.startsWith(`dk_${id}_`)) return invalidClient;
  return { key: secret, scopes: field(form, "scope").split(" ").filter(Boolean) };
}

export const invalidClient = refused("invalid_client", "client_id must be a client's id and client_secret its API key");

export function refused(error: OAuthError["error"], description: string): OAuthError {
  return { error, error_description: description };
}

function field(form: Form, name: string): string {
  const value = form[name];
  return typeof value === "string" ? value : "";
}

/** Both parts are form-encoded before they are joined. */
function readBasic(authorization = ""): { id: string; secret: string } | undefined {
  const encoded = /^basic +(\S+) *$/i.exec(authorization)?.[1];
  if (encoded === undefined) return undefined;
  const [id = "", ...rest] = Buffer.from(encoded, "base64").toString().split(":");
  return { id: decoded(id), secret: decoded(rest.join(":")) };
}

function decoded(part: string): string {
  return new URLSearchParams(`x=${part.replaceAll("&", "%26")}`).get("x") ?? "";
}
