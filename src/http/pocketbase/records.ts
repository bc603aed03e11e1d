import type { FastifyInstance, FastifyRequest } from "fastify";
import { type Accounts, madeUpUsername } from "../../core/accounts/accounts.ts";
import type { UseCases } from "../../core/use-cases.ts";
import type { Account } from "../../model/account.ts";
import { type AuditAction, auditSubject } from "../../model/audit.ts";
import { userOf } from "../../model/call.ts";
import { brokenFields, checkFields, invalidFields, notFound } from "../../model/errors.ts";
import type { UserPrincipal } from "../../model/principal.ts";
import { limitedAs } from "../common/limited-as.ts";
import { fixedRule } from "./field-errors.ts";
import { blankOf, confirmRule, passwordChangeOf } from "./passwords.ts";
import { castRecord, type RecordBody } from "./record-body.ts";
import { creating, deleting, listing, updating, viewing } from "./record-schemas.ts";
import { toRecord } from "./record-shape.ts";
import { changeFailed, recordNotFound } from "./refusal.ts";

interface ById {
  readonly Params: { readonly id: string };
}

interface Page {
  readonly page?: number;
  readonly perPage?: number;
  readonly filter?: string;
}

const path = "/collections/users/records";
const pageDefault = 30;
const pageMax = 500;
const notThere = { guest: { status: 404, body: recordNotFound } };

/** Accounts as records. Nobody sees anybody else's. */
export function addRecordRoutes(scope: FastifyInstance, core: UseCases): void {
  const { accounts, audit, deletions } = core;

  const create = {
    ...limitedAs("darkroom.auth.v1.AuthService/SignUp"),
    failure: "Failed to create record.",
    isStruct: false,
  };
  const creation = { schema: creating, config: create, preValidation: castRecord };
  scope.post<{ Body: RecordBody | null }>(path, creation, async ({ call, body }) => {
    const account = await audit.keep(
      call,
      "user.signed_up",
      () => signUp(accounts, body ?? {}),
      (made) => auditSubject("user", made?.id),
    );
    return toRecord(account, "anyone");
  });

  const list = { guest: { status: 200, body: pageOf([], {}) } };
  scope.get<{ Querystring: Page }>(path, { schema: listing, config: list }, async (request) => {
    checkFields({
      filter: () => (request.query.filter ? "is not supported: the list has your own record alone" : undefined),
    });
    return pageOf([toRecord(userOf(request.call).account, "owner")], request.query);
  });

  scope.get<ById>(`${path}/:id`, { schema: viewing, config: notThere }, async (request) =>
    toRecord(ownRecord(request).account, "owner"),
  );

  const update = {
    ...notThere,
    ...limitedAs("darkroom.auth.v1.AuthService/UpdateProfile"),
    failure: changeFailed,
    isStruct: false,
  };
  scope.patch<ById & { Body: RecordBody | null }>(
    `${path}/:id`,
    { schema: updating, config: update, preValidation: castRecord },
    async (request) => toRecord(await change(core, request, request.body ?? {}), "owner"),
  );

  const remove = {
    ...notThere,
    ...limitedAs("darkroom.auth.v1.AuthService/DeleteProfile"),
    failure: "Failed to delete record.",
  };
  scope.delete<ById>(`${path}/:id`, { schema: deleting, config: remove }, async (request, reply) => {
    const by = ownRecord(request);
    await audit.keep(request.call, "user.deleted", () => deletions.deleteByAccess(by));
    return reply.code(204).send();
  });
}

async function signUp(accounts: Accounts, body: RecordBody): Promise<Account> {
  const { id, email = "", password = "", passwordConfirm = "" } = body;
  const username = body.username || madeUpUsername();
  const wanted = { username, email, password, metadata: metadataOf(body), recordId: id || undefined };
  const own = brokenFields({
    passwordConfirm: () => confirmRule(password, passwordConfirm),
    verified: () => fixed(body.verified, false),
  });
  const broken = [...(await accounts.reviewSignUp(wanted)), ...own];
  if (broken.length > 0) throw invalidFields(broken);
  return accounts.signUp(wanted);
}

/** With a new password all sessions end, this one too. */
async function change(core: UseCases, request: FastifyRequest<ById>, body: RecordBody): Promise<Account> {
  const by = ownRecord(request);
  const { id, username, email, verified } = body;
  checkFields({
    id: () => fixed(id, by.account.recordId),
    email: () => fixed(email, by.account.email),
    verified: () => fixed(verified, false),
    username: () => (username === undefined ? undefined : blankOf(username)),
  });
  const password = passwordChangeOf(body);
  if (password !== undefined)
    await core.admission.countAlso("darkroom.auth.v1.AuthService/ChangePassword", request.call);
  const wanted = { username, password, metadata: metadataOf(body) };
  const act = () => core.profiles.update(by, request.call.address, wanted);
  const actions: AuditAction[] = [];
  if (username !== undefined && username !== by.account.username) actions.push("user.renamed");
  if (password !== undefined) actions.push("user.password_changed");
  const account = await core.audit.keep(request.call, actions, act);
  if (password !== undefined) await core.sessions.revokeAll(account.id);
  return account;
}

/** The rule of a field that must stay as it is. An empty value is no change either. */
function fixed(given: unknown, own: unknown): string | undefined {
  return given && given !== own ? fixedRule : undefined;
}

/** PocketBase takes an avatar's name from a file. As text it takes only the empty one, which removes the avatar. */
function metadataOf({ name, avatar, emailVisibility }: RecordBody): Account["metadata"] {
  const given = Object.entries({ name, avatar: avatar === "" ? avatar : undefined, emailVisibility });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

/** The caller's own record; somebody else's is answered as not found. */
function ownRecord(request: FastifyRequest<ById>): UserPrincipal {
  const user = userOf(request.call);
  if (user.account.recordId !== request.params.id) throw notFound("user");
  return user;
}

/** A page of the list. Numbers that make no page are corrected as PocketBase does. */
function pageOf(items: readonly object[], wanted: Page) {
  const page = Math.max(1, wanted.page ?? 1);
  const perPage = Math.min(pageMax, (wanted.perPage ?? 0) > 0 ? (wanted.perPage ?? 0) : pageDefault);
  const { length } = items;
  return { page, perPage, totalItems: length, totalPages: length, items: page === 1 ? items : [] };
}
