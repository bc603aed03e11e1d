import { DomainError, unauthenticated } from "./errors.ts";
import type { Principal } from "./principal.ts";

type Audience = "anyone" | "user" | "admin" | "job";

/**
 * Who may call what: the one table. Procedures by their full name, routes by method and pattern.
 * What is not listed is refused. "admin" is a user with that role; "user" includes admins.
 */
const audiences: Readonly<Record<string, readonly Audience[]>> = {
  "darkroom.auth.v1.AuthService/SignUp": ["anyone"],
  "darkroom.auth.v1.AuthService/Login": ["anyone"],
  "darkroom.auth.v1.AuthService/RefreshToken": ["anyone"],
  "darkroom.auth.v1.AuthService/Logout": ["user"],
  "darkroom.auth.v1.AuthService/Validate": ["anyone"],
  "darkroom.auth.v1.AuthService/CheckAuth": ["user", "job"],

  "darkroom.imagejob.v1.ImageJobService/UploadImage": ["user", "job"],
  "darkroom.imagejob.v1.ImageJobService/SubmitImageJob": ["user"],
  "darkroom.imagejob.v1.ImageJobService/PollImageJob": ["user"],
  "darkroom.imagejob.v1.ImageJobService/WatchImageJob": ["user"],
  "darkroom.imagejob.v1.ImageJobService/ListImageJobs": ["user"],
  "darkroom.imagejob.v1.ImageJobService/CancelImageJob": ["user"],
  "darkroom.imagejob.v1.ImageJobService/GetImage": ["user", "job"],
  "darkroom.imagejob.v1.ImageJobService/ListModels": ["user"],

  "darkroom.worker.v1.WorkerService/ClaimJob": ["job"],
  "darkroom.worker.v1.WorkerService/Heartbeat": ["job"],

  "grpc.health.v1.Health/Check": ["anyone"],
  "grpc.health.v1.Health/List": ["anyone"],
  "grpc.health.v1.Health/Watch": ["anyone"],
  "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": ["anyone"],
  "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": ["anyone"],

  "GET /health": ["anyone"],
  "POST /images": ["user", "job"],
  "GET /download/:uuid": ["user", "job"],
};

export function isListed(operation: string): boolean {
  return Object.hasOwn(audiences, operation);
}

/** Whether the operation asks for no credential; then none is looked at. */
export function isOpen(operation: string): boolean {
  return isListed(operation) && audiences[operation]?.includes("anyone") === true;
}

/** Throws `unauthenticated` when nobody is signed in, `permission_denied` when the wrong one is. */
export function authorise(operation: string, principal: Principal | undefined): void {
  if (isOpen(operation)) return;
  const allowed = isListed(operation) ? (audiences[operation] ?? []) : [];
  if (principal === undefined)
    throw unauthenticated("CREDENTIAL_MISSING", "this call needs a credential: log in first");
  if (!allowed.some((audience) => belongs(principal, audience))) {
    throw new DomainError("permission_denied", "NOT_ALLOWED", "this credential may not make this call");
  }
}

function belongs(principal: Principal, audience: Audience): boolean {
  if (audience === "admin") return principal.kind === "user" && principal.account.role === "admin";
  return principal.kind === audience;
}
