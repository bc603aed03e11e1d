import manifest from "../../../package.json" with { type: "json" };

const description = `\
The routes of plain HTTP. gRPC, gRPC-Web and Connect are at the same address, described by server reflection.

A path that is there for other methods is answered 405 with \`Allow\`, one that is not there 404, both with a problem; under
\`/api\` and \`/auth/v1\` both are the old systems' own 404. What is no HTTP request, takes too long to come, or has more than
16 KiB of headers is answered 400, 408 or 431 without a body.`;

/** What the document says of the API as a whole. */
export const about = {
  openapi: "3.1.0",
  info: {
    title: "Darkroom",
    version: manifest.version,
    description,
    license: { name: manifest.license, identifier: manifest.license },
  },
  servers: [{ url: "/" }],
  tags: [
    { name: "Images", description: "Pictures in and out, streamed." },
    { name: "PocketBase", description: "The PocketBase-Gateway's routes, and those of PocketBase that it needs." },
    { name: "Relay", description: "The Relay Service's routes: API clients, their tokens, and the service behind." },
    { name: "Service", description: "About the service itself: its health, its keys, this document." },
    { name: "Supabase", description: "The routes of Supabase's auth that its clients sign up and in by." },
    { name: "Sessions", description: "For services that guard pages by the session cookie." },
    { name: "Template", description: "The FastAPI template's routes." },
  ],
};

export const securitySchemes = {
  bearer: {
    type: "http",
    scheme: "bearer",
    description: "An access token, a client's token, an API key or a job's token.",
  },
  apiKey: { type: "apiKey", in: "header", name: "X-API-Key", description: "The same." },
  bareToken: { type: "apiKey", in: "header", name: "Authorization", description: "The same, without its scheme." },
  basic: { type: "http", scheme: "basic", description: "OAuth 2: a client's id, and its API key as the secret." },
  sessionCookie: { type: "apiKey", in: "cookie", name: "session", description: "A session token, in a browser." },
  sessionHeader: { type: "apiKey", in: "header", name: "X-Session-Token", description: "A session token." },
} as const;

export const headers = {
  "X-Request-Id": {
    required: true,
    description: "The call's id in the log: the request's own, or a new one.",
    schema: { type: "string", pattern: "^[A-Za-z0-9_.-]{1,64}$" },
  },
  RateLimit: { description: "Where the caller stands in each limit that counts the call.", schema: { type: "string" } },
  "RateLimit-Policy": { description: "What those limits are.", schema: { type: "string" } },
  "Retry-After": { description: "Seconds.", schema: { type: "integer", minimum: 0 } },
  "WWW-Authenticate": { description: "How to authenticate.", schema: { type: "string" } },
} as const;

const always = ["X-Request-Id", "RateLimit", "RateLimit-Policy"];
const bringing: Readonly<Record<string, readonly string[]>> = {
  401: ["WWW-Authenticate"],
  403: ["WWW-Authenticate"],
  429: ["Retry-After"],
  503: ["Retry-After"],
};

/** The headers of an answer with this status, whatever route it is of. */
export function headersOf(status: string): Record<string, { readonly $ref: string }> {
  const names = [...always, ...(bringing[status] ?? [])];
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}
