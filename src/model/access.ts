import { type Scope, scopes } from "./client.ts";
import { notAllowed, unauthenticated } from "./errors.ts";
import type { Principal } from "./principal.ts";

type Audience = "anyone" | "user" | "admin" | "job" | "worker" | Exclude<Scope, "admin">;

/**
 * Who may call what: the one table. Procedures by their full name, routes by method and pattern.
 * What is not listed is refused. "admin" is a user with that role, or a client with that scope; "user" includes admins;
 * "worker" is whoever has the image service's key; any other scope means clients that have it.
 */
const audiences = {
  "darkroom.auth.v1.AuthService/SignUp": ["anyone"],
  "darkroom.auth.v1.AuthService/Login": ["anyone"],
  "darkroom.auth.v1.AuthService/RefreshToken": ["anyone"],
  "darkroom.auth.v1.AuthService/Logout": ["user"],
  "darkroom.auth.v1.AuthService/Validate": ["anyone"],
  "darkroom.auth.v1.AuthService/CheckAuth": ["user", "job", "auth:check"],
  "darkroom.auth.v1.AuthService/ListSessions": ["user"],
  "darkroom.auth.v1.AuthService/RevokeSession": ["user"],
  "darkroom.auth.v1.AuthService/RevokeOtherSessions": ["user"],
  "darkroom.auth.v1.AuthService/ChangePassword": ["user"],
  "darkroom.auth.v1.AuthService/UpdateProfile": ["user"],
  "darkroom.auth.v1.AuthService/DeleteProfile": ["user"],
  "darkroom.auth.v1.AuthService/RequestEmailChange": ["user"],
  "darkroom.auth.v1.AuthService/ConfirmEmailChange": ["anyone"],
  "darkroom.auth.v1.AuthService/RequestPasswordReset": ["anyone"],
  "darkroom.auth.v1.AuthService/ResetPassword": ["anyone"],
  "darkroom.auth.v1.AuthService/ExchangeApiKey": ["anyone"],
  "darkroom.auth.v1.AuthService/CreateClient": ["admin"],
  "darkroom.auth.v1.AuthService/GetClient": ["admin"],
  "darkroom.auth.v1.AuthService/ListClients": ["admin"],
  "darkroom.auth.v1.AuthService/UpdateClient": ["admin"],
  "darkroom.auth.v1.AuthService/DeleteClient": ["admin"],
  "darkroom.auth.v1.AuthService/RegenerateClientKey": ["admin"],
  "darkroom.auth.v1.AuthService/ListUsers": ["admin"],
  "darkroom.auth.v1.AuthService/GetUser": ["admin"],
  "darkroom.auth.v1.AuthService/CreateUser": ["admin"],
  "darkroom.auth.v1.AuthService/SetUserDisabled": ["admin"],
  "darkroom.auth.v1.AuthService/SetUserRole": ["admin"],
  "darkroom.auth.v1.AuthService/DeleteUser": ["admin"],
  "darkroom.auth.v1.AuthService/IssueUserToken": ["admin"],
  "darkroom.auth.v1.AuthService/UnlockUser": ["admin"],
  "darkroom.auth.v1.AuthService/ListAuditEvents": ["admin"],
  "darkroom.auth.v1.AuthService/ListSigningKeys": ["admin"],
  "darkroom.auth.v1.AuthService/RotateSigningKey": ["admin"],

  "darkroom.imagejob.v1.ImageJobService/UploadImage": ["user", "job", "images:write"],
  "darkroom.imagejob.v1.ImageJobService/SubmitImageJob": ["user", "jobs:submit"],
  "darkroom.imagejob.v1.ImageJobService/PollImageJob": ["user", "jobs:read"],
  "darkroom.imagejob.v1.ImageJobService/WatchImageJob": ["user", "jobs:read"],
  "darkroom.imagejob.v1.ImageJobService/ListImageJobs": ["user", "jobs:read"],
  "darkroom.imagejob.v1.ImageJobService/CancelImageJob": ["user", "jobs:submit"],
  "darkroom.imagejob.v1.ImageJobService/GetImage": ["user", "job", "images:read"],
  "darkroom.imagejob.v1.ImageJobService/GetUsage": ["user", "admin"],
  "darkroom.imagejob.v1.ImageJobService/ListModels": ["user", "jobs:submit", "jobs:read"],
  "darkroom.imagejob.v1.ImageJobService/ListDeadLetters": ["admin"],
  "darkroom.imagejob.v1.ImageJobService/Redrive": ["admin"],
  "darkroom.imagejob.v1.ImageJobService/DiscardDeadLetters": ["admin"],

  "darkroom.worker.v1.WorkerService/ClaimJob": ["job"],
  "darkroom.worker.v1.WorkerService/Heartbeat": ["job"],

  "grpc.health.v1.Health/Check": ["anyone"],
  "grpc.health.v1.Health/List": ["anyone"],
  "grpc.health.v1.Health/Watch": ["anyone"],
  "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": ["anyone"],
  "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": ["anyone"],

  "GET /health": ["anyone"],
  "GET /health/live": ["anyone"],
  "GET /health/ready": ["anyone"],
  "GET /.well-known/jwks.json": ["anyone"],
  "GET /openapi.json": ["anyone"],
  "GET /session/validate": ["anyone"],
  "POST /auth/token": ["anyone"],
  "GET /admin/clients": ["admin"],
  "POST /admin/clients": ["admin"],
  "GET /admin/clients/:id": ["admin"],
  "PATCH /admin/clients/:id": ["admin"],
  "DELETE /admin/clients/:id": ["admin"],
  "POST /admin/clients/:id/regenerate-key": ["admin"],
  "GET /relay/jwks.json": ["anyone"],
  "GET /v1/*": ["user", "relay"],
  "POST /v1/chat": ["user", "relay"],
  "POST /v1/*": ["user", "relay"],
  "PUT /v1/*": ["user", "relay"],
  "PATCH /v1/*": ["user", "relay"],
  "DELETE /v1/*": ["user", "relay"],
  "GET /api/health": ["anyone"],
  "GET /api/check_auth": ["user", "job", "auth:check"],
  "GET /api/send_message": ["user", "jobs:submit"],
  "POST /api/send_message": ["user", "jobs:submit"],
  // It answers with the picture.
  "GET /api/get_image": ["user", "images:read"],
  "POST /api/get_image": ["user", "images:read"],
  "GET /api/collections/users/auth-methods": ["anyone"],
  "POST /api/collections/users/auth-with-password": ["anyone"],
  "POST /api/collections/users/auth-refresh": ["user"],
  "POST /api/collections/users/request-password-reset": ["anyone"],
  "POST /api/collections/users/confirm-password-reset": ["anyone"],
  "POST /api/collections/users/records": ["anyone"],
  "GET /api/collections/users/records": ["user"],
  "GET /api/collections/users/records/:id": ["user"],
  "PATCH /api/collections/users/records/:id": ["user"],
  "DELETE /api/collections/users/records/:id": ["user"],
  "GET /auth/v1/health": ["anyone"],
  "GET /auth/v1/settings": ["anyone"],
  "GET /auth/v1/.well-known/jwks.json": ["anyone"],
  "POST /auth/v1/signup": ["anyone"],
  "POST /auth/v1/token": ["anyone"],
  "POST /auth/v1/recover": ["anyone"],
  "GET /auth/v1/user": ["user"],
  "PUT /auth/v1/user": ["user"],
  "POST /auth/v1/logout": ["user"],
  "GET /upload/healthz": ["anyone"],
  "POST /upload": ["user"],
  "POST /images": ["user", "job", "worker", "images:write"],
  "GET /download/:uuid": ["user", "job", "worker", "images:read"],
} as const satisfies Readonly<Record<string, readonly Audience[]>>;

/** A procedure or route, by its name in the table. */
export type Operation = keyof typeof audiences;

/** What a browser may call by its session cookie alone: only reads, so that other sites cannot make it change anything. */
const byCookie: ReadonlySet<string> = new Set<Operation>(["GET /download/:uuid"]);

/** Every operation that the table has. */
export const operations: readonly string[] = Object.keys(audiences);

export function isListed(operation: string): operation is Operation {
  return Object.hasOwn(audiences, operation);
}

/** Whether the operation asks for no credential; then none is looked at. */
export function isOpen(operation: string): boolean {
  return audiencesOf(operation).includes("anyone");
}

export function takesSessionCookie(operation: string): boolean {
  return byCookie.has(operation);
}

/** Throws `unauthenticated` when nobody is signed in, `permission_denied` when the caller may not make this call. */
export function authorise(operation: string, principal: Principal | undefined): void {
  if (isOpen(operation)) return;
  if (principal === undefined) {
    const advice = "send `Authorization: Bearer` with a token or an API key, or `X-API-Key`";
    throw unauthenticated("CREDENTIAL_MISSING", `this call needs a credential: ${advice}`);
  }
  if (audiencesOf(operation).some((audience) => belongs(principal, audience))) return;
  throw notAllowed(principal.kind === "client" ? scopesOf(operation) : []);
}

/** The scopes of which any lets a client call the operation. */
export function scopesOf(operation: string): readonly Scope[] {
  return scopes.filter((scope) => audiencesOf(operation).includes(scope));
}

function audiencesOf(operation: string): readonly Audience[] {
  return isListed(operation) ? audiences[operation] : [];
}

export function isAdmin(principal: Principal): boolean {
  return belongs(principal, "admin");
}

/** Whether the caller has lost the administrator's role, or a scope, since `before`. */
export function hasLostRights(before: Principal, now: Principal): boolean {
  if (before.kind === "client" && now.kind === "client") return now.scopes.length < before.scopes.length;
  return isAdmin(before) && !isAdmin(now);
}

function belongs(principal: Principal, audience: Audience): boolean {
  switch (principal.kind) {
    case "user":
      return audience === "user" || (audience === "admin" && principal.account.role === "admin");
    case "client":
      return principal.scopes.some((scope) => scope === audience);
    case "job":
    case "worker":
      return audience === principal.kind;
  }
}
