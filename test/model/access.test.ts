import { describe, expect, test } from "vitest";
import { authorise, isListed, isOpen } from "../../src/model/access.ts";
import { type Scope, scopes } from "../../src/model/client.ts";
import type { JobPrincipal, Principal, UserPrincipal } from "../../src/model/principal.ts";
import { procedures } from "../../src/rpc/handler.ts";
import { sampleAccount, sampleClient } from "../contracts/samples.ts";
import { expectedAccess } from "../support/access-table.ts";
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
    const listed = [...expectedAccess.keys()].filter((name) => !name.includes(" "));
    expect(listed.filter((name) => !procedures.includes(name))).toEqual([]);
    expect(procedures.filter((name) => !listed.includes(name))).toEqual([]);
  });

  test.each([...expectedAccess])("%s: who may call it", (operation, { callers: allowed, scopes: opening }) => {
    const callers = { nobody: undefined, user, admin, job, worker, adminsJob };
    const admitted = Object.entries(callers).filter(([, principal]) => refusal(operation, principal) === undefined);
    const names = admitted.map(([name]) => name).filter((name) => name !== "adminsJob");
    expect(names.join(" ")).toBe(allowed);
    expect(admitted.some(([name]) => name === "adminsJob")).toBe(allowed.includes("job"));
    expect(isOpen(operation)).toBe(allowed.includes("nobody"));

    const opened = scopes.filter((scope) => refusal(operation, clientWith(scope)) === undefined);
    expect(opened.join(" ")).toBe(isOpen(operation) ? scopes.join(" ") : opening);
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
