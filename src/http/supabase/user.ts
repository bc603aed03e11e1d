import type { FastifyInstance } from "fastify";
import type { UseCases } from "../../core/use-cases.ts";
import { type Account, nameKey } from "../../model/account.ts";
import type { Call } from "../../model/call.ts";
import { userOf } from "../../model/call.ts";
import type { UserPrincipal } from "../../model/principal.ts";
import { limitedAs } from "../common/limited-as.ts";
import { noPhone, Refused, refusal } from "./refusal.ts";
import { signingOut, updating, viewing } from "./user-schemas.ts";
import { toUser } from "./user-shape.ts";

interface Update {
  readonly email?: string;
  readonly phone?: string;
  readonly password?: string;
  readonly current_password?: string;
  readonly data?: Account["metadata"];
}

type Scope = "global" | "local" | "others";

const passwordNeeded = refusal(400, "current_password_required", "Current password required when changing the address");

/** What somebody who is signed in sees and changes of their own account. */
export function addUserRoutes(scope: FastifyInstance, core: UseCases): void {
  const { admission, audit, profiles, recovery, sessions } = core;

  async function change(call: Call, by: UserPrincipal, update: Update): Promise<Account> {
    const { password, current_password: old, data: metadata } = update;
    const newPassword = password === undefined ? undefined : { wanted: password, old };
    const act = () => profiles.update(by, call.address, { metadata, password: newPassword });
    return password === undefined ? act() : audit.keep(call, "user.password_changed", act);
  }

  async function changeAll(call: Call, by: UserPrincipal, update: Update): Promise<Account> {
    const { email = "", phone = "", password, current_password: old } = update;
    if (password !== undefined) await admission.countAlso("darkroom.auth.v1.AuthService/ChangePassword", call);
    if (phone !== "") throw new Refused(noPhone);
    if (email === "" || nameKey(email) === by.account.emailKey) return change(call, by, update);
    await admission.countAlso("darkroom.auth.v1.AuthService/RequestEmailChange", call);
    if (old === undefined) throw new Refused(passwordNeeded);
    return audit.keep(call, "user.email_change_requested", async () => {
      await recovery.checkEmailChange(by, call.address, email, old);
      const account = await change(call, by, update);
      // Mailed last: a new password voids what was mailed before it, and counts as the password that was checked.
      await recovery.mailEmailChange(password === undefined ? by.account : account, email);
      return account;
    });
  }

  const ends: Readonly<Record<Scope, (call: Call, by: UserPrincipal) => Promise<unknown>>> = {
    global: (call, { account }) => audit.keep(call, "session.ended", () => sessions.revokeAll(account.id)),
    local: (call, { sessionId }) => audit.keep(call, "session.ended", () => sessions.logout(sessionId)),
    others: (call, by) => audit.keep(call, "session.others_revoked", () => sessions.revokeOthers(by)),
  };

  scope.get("/user", { schema: viewing }, async (request) => {
    const { account } = userOf(request.call);
    return toUser(account, await sessions.lastStart(account.id));
  });

  const updateConfig = limitedAs("darkroom.auth.v1.AuthService/UpdateProfile");
  scope.put<{ Body: Update | null }>("/user", { schema: updating, config: updateConfig }, async (request) => {
    const account = await changeAll(request.call, userOf(request.call), request.body ?? {});
    return toUser(account, await sessions.lastStart(account.id));
  });

  scope.post<{ Querystring: { readonly scope: Scope | "" } }>(
    "/logout",
    { schema: signingOut },
    async (request, reply) => {
      await ends[request.query.scope || "global"](request.call, userOf(request.call));
      return reply.code(204).send();
    },
  );
}
