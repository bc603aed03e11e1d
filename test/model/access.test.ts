import { describe, expect, test } from "vitest";
import { authorise, isListed, isOpen } from "../../src/model/access.ts";
import { type Scope, scopes } from "../../src/model/client.ts";
import type { JobPrincipal, Principal, UserPrincipal } from "../../src/model/principal.ts";
import { procedures } from "../../src/rpc/handler.ts";
import { sampleAccount, sampleClient } from "../contracts/samples.ts";
import { thrownBy } from "./thrown.ts";

const user: UserPrincipal = { kind: "user", account: sampleAccount(), sessionId: "session" };
const admin: UserPrincipal = { kind: "user", account: sampleAccount({ role: "admin" }), sessionId: "session" };
const job: JobPrincipal = { kind: "job", jobId: "job", attempt: 1, inputImageId: "picture", owner: user };
const worker: Principal = { kind: "worker" };
const adminsJob: Principal = { ...job, owner: admin };
const clientWith = (...scopes: Scope[]): Principal => ({
  kind: "client",
  client: sampleClient(),
  keyVersion: 1,
  scopes,
});

const auth = "darkroom.auth.v1.AuthService";
const jobs = "darkroom.imagejob.v1.ImageJobService";
const workerService = "darkroom.worker.v1.WorkerService";
const reflection = "ServerReflection/ServerReflectionInfo";

/** Who may call what, said a second time, so that no change of the table goes unseen. */
const expected: Record<string, string> = {
  [`${auth}/SignUp`]: "nobody user admin job worker",
  [`${auth}/Login`]: "nobody user admin job worker",
  [`${auth}/RefreshToken`]: "nobody user admin job worker",
  [`${auth}/Logout`]: "user admin",
  [`${auth}/Validate`]: "nobody user admin job worker",
  [`${auth}/CheckAuth`]: "user admin job",
  [`${auth}/ListSessions`]: "user admin",
  [`${auth}/RevokeSession`]: "user admin",
  [`${auth}/RevokeOtherSessions`]: "user admin",
  [`${auth}/ChangePassword`]: "user admin",
  [`${auth}/UpdateProfile`]: "user admin",
  [`${auth}/DeleteProfile`]: "user admin",
  [`${auth}/RequestEmailChange`]: "user admin",
  [`${auth}/ConfirmEmailChange`]: "nobody user admin job worker",
  [`${auth}/RequestPasswordReset`]: "nobody user admin job worker",
  [`${auth}/ResetPassword`]: "nobody user admin job worker",
  [`${auth}/ExchangeApiKey`]: "nobody user admin job worker",
  [`${auth}/CreateClient`]: "admin",
  [`${auth}/GetClient`]: "admin",
  [`${auth}/ListClients`]: "admin",
  [`${auth}/UpdateClient`]: "admin",
  [`${auth}/DeleteClient`]: "admin",
  [`${auth}/RegenerateClientKey`]: "admin",
  [`${auth}/ListUsers`]: "admin",
  [`${auth}/GetUser`]: "admin",
  [`${auth}/CreateUser`]: "admin",
  [`${auth}/SetUserDisabled`]: "admin",
  [`${auth}/SetUserRole`]: "admin",
  [`${auth}/DeleteUser`]: "admin",
  [`${auth}/IssueUserToken`]: "admin",
  [`${auth}/UnlockUser`]: "admin",
  [`${auth}/ListSigningKeys`]: "admin",
  [`${auth}/RotateSigningKey`]: "admin",
  [`${auth}/ListAuditEvents`]: "admin",
  [`${jobs}/UploadImage`]: "user admin job",
  [`${jobs}/SubmitImageJob`]: "user admin",
  [`${jobs}/PollImageJob`]: "user admin",
  [`${jobs}/WatchImageJob`]: "user admin",
  [`${jobs}/ListImageJobs`]: "user admin",
  [`${jobs}/CancelImageJob`]: "user admin",
  [`${jobs}/GetImage`]: "user admin job",
  [`${jobs}/GetUsage`]: "user admin",
  [`${jobs}/ListModels`]: "user admin",
  [`${jobs}/ListDeadLetters`]: "admin",
  [`${jobs}/Redrive`]: "admin",
  [`${workerService}/ClaimJob`]: "job",
  [`${workerService}/Heartbeat`]: "job",
  "grpc.health.v1.Health/Check": "nobody user admin job worker",
  "grpc.health.v1.Health/List": "nobody user admin job worker",
  "grpc.health.v1.Health/Watch": "nobody user admin job worker",
  [`grpc.reflection.v1.${reflection}`]: "nobody user admin job worker",
  [`grpc.reflection.v1alpha.${reflection}`]: "nobody user admin job worker",
  "GET /health": "nobody user admin job worker",
  "GET /health/live": "nobody user admin job worker",
  "GET /health/ready": "nobody user admin job worker",
  "GET /.well-known/jwks.json": "nobody user admin job worker",
  "GET /openapi.json": "nobody user admin job worker",
  "GET /session/validate": "nobody user admin job worker",
  "POST /auth/token": "nobody user admin job worker",
  "GET /admin/clients": "admin",
  "POST /admin/clients": "admin",
  "GET /admin/clients/:id": "admin",
  "PATCH /admin/clients/:id": "admin",
  "DELETE /admin/clients/:id": "admin",
  "POST /admin/clients/:id/regenerate-key": "admin",
  "GET /relay/jwks.json": "nobody user admin job worker",
  "GET /v1/*": "user admin",
  "HEAD /v1/*": "user admin",
  "POST /v1/chat": "user admin",
  "POST /v1/*": "user admin",
  "PUT /v1/*": "user admin",
  "PATCH /v1/*": "user admin",
  "DELETE /v1/*": "user admin",
  "GET /api/health": "nobody user admin job worker",
  "GET /api/check_auth": "user admin job",
  "GET /api/send_message": "user admin",
  "POST /api/send_message": "user admin",
  "GET /api/get_image": "user admin",
  "POST /api/get_image": "user admin",
  "GET /api/collections/users/auth-methods": "nobody user admin job worker",
  "POST /api/collections/users/auth-with-password": "nobody user admin job worker",
  "POST /api/collections/users/auth-refresh": "user admin",
  "POST /api/collections/users/request-password-reset": "nobody user admin job worker",
  "POST /api/collections/users/confirm-password-reset": "nobody user admin job worker",
  "POST /api/collections/users/records": "nobody user admin job worker",
  "GET /api/collections/users/records": "user admin",
  "GET /api/collections/users/records/:id": "user admin",
  "PATCH /api/collections/users/records/:id": "user admin",
  "DELETE /api/collections/users/records/:id": "user admin",
  "GET /auth/v1/health": "nobody user admin job worker",
  "GET /auth/v1/settings": "nobody user admin job worker",
  "GET /auth/v1/.well-known/jwks.json": "nobody user admin job worker",
  "POST /auth/v1/signup": "nobody user admin job worker",
  "POST /auth/v1/token": "nobody user admin job worker",
  "POST /auth/v1/recover": "nobody user admin job worker",
  "GET /auth/v1/user": "user admin",
  "PUT /auth/v1/user": "user admin",
  "POST /auth/v1/logout": "user admin",
  "GET /upload/healthz": "nobody user admin job worker",
  "POST /upload": "user admin",
  "POST /images": "user admin job worker",
  "GET /download/:uuid": "user admin job worker",
};

/** The scope, or scopes, that open an operation to clients; those that are missing are closed to them, or open to all. */
const expectedScopes: Record<string, string> = {
  [`${auth}/CheckAuth`]: "auth:check",
  [`${jobs}/UploadImage`]: "images:write",
  [`${jobs}/SubmitImageJob`]: "jobs:submit",
  [`${jobs}/PollImageJob`]: "jobs:read",
  [`${jobs}/WatchImageJob`]: "jobs:read",
  [`${jobs}/ListImageJobs`]: "jobs:read",
  [`${jobs}/CancelImageJob`]: "jobs:submit",
  [`${jobs}/GetImage`]: "images:read",
  [`${jobs}/GetUsage`]: "admin",
  [`${jobs}/ListModels`]: "jobs:submit jobs:read",
  "GET /v1/*": "relay",
  "HEAD /v1/*": "relay",
  "POST /v1/chat": "relay",
  "POST /v1/*": "relay",
  "PUT /v1/*": "relay",
  "PATCH /v1/*": "relay",
  "DELETE /v1/*": "relay",
  "GET /api/check_auth": "auth:check",
  "GET /api/send_message": "jobs:submit",
  "POST /api/send_message": "jobs:submit",
  "GET /api/get_image": "images:read",
  "POST /api/get_image": "images:read",
  "POST /images": "images:write",
  "GET /download/:uuid": "images:read",
};

function refusal(operation: string, principal: Principal | undefined): unknown {
  try {
    authorise(operation, principal);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe("the access table", () => {
  test("lists every procedure that is served", () => {
    expect(procedures.filter((procedure) => !isListed(procedure))).toEqual([]);
    expect(procedures.length).toBeGreaterThan(20);
  });

  test("lists no procedure that is not served", () => {
    const listed = Object.keys(expected).filter((name) => !name.includes(" "));
    expect(listed.filter((name) => !procedures.includes(name))).toEqual([]);
    expect(procedures.filter((name) => !listed.includes(name))).toEqual([]);
  });

  test.each(Object.entries(expected))("%s: %s", (operation, allowed) => {
    const callers = { nobody: undefined, user, admin, job, worker, adminsJob };
    const admitted = Object.entries(callers).filter(([, principal]) => refusal(operation, principal) === undefined);
    const names = admitted.map(([name]) => name).filter((name) => name !== "adminsJob");
    expect(names.join(" ")).toBe(allowed);
    expect(admitted.some(([name]) => name === "adminsJob")).toBe(allowed.includes("job"));
    expect(isOpen(operation)).toBe(allowed.includes("nobody"));
  });

  test.each(Object.entries(expected))("%s is open to the clients that have a scope for it", (operation, allowed) => {
    const isAdmins = allowed === "admin";
    const wanted = expectedScopes[operation] ?? (isAdmins ? "admin" : "");
    const opening = scopes.filter((scope) => refusal(operation, clientWith(scope)) === undefined);
    expect(opening.join(" ")).toBe(isOpen(operation) ? scopes.join(" ") : wanted);
    expect(refusal(operation, clientWith()) === undefined).toBe(isOpen(operation));
  });

  test.each([
    "",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    `${auth}/signUp`,
    `${auth}/SignUp/`,
    `/${auth}/SignUp`,
    `${auth}/DropUser`,
    `${workerService}/*`,
    "DELETE /images",
    "GET /download/abc",
    "get /health",
  ])("refuses everybody what it does not list: %j", (operation) => {
    expect(isListed(operation)).toBe(false);
    expect(isOpen(operation)).toBe(false);
    expect(refusal(operation, undefined)).toMatchObject({ code: "unauthenticated" });
    for (const principal of [user, admin, job, worker]) {
      expect(refusal(operation, principal)).toMatchObject({ code: "permission_denied", reason: "NOT_ALLOWED" });
    }
  });

  test("tells who is not signed in from who may not", () => {
    const operation = `${jobs}/SubmitImageJob`;
    const missing = { code: "unauthenticated", reason: "CREDENTIAL_MISSING" };
    expect(thrownBy(() => authorise(operation, undefined))).toMatchObject(missing);
    expect(thrownBy(() => authorise(operation, job))).toMatchObject({
      code: "permission_denied",
      reason: "NOT_ALLOWED",
    });
  });
});
