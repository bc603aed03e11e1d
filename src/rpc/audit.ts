import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import type { Audit } from "../core/audit.ts";
import { type AuditAction, auditSubject } from "../model/audit.ts";
import { callKey } from "./call.ts";

interface Entry {
  readonly action: AuditAction;
  target(request: unknown, response: unknown): string;
}

/** How an action is named, and to whom it was done; `response` is undefined where it failed. */
function entry<I extends DescMessage, O extends DescMessage>(
  { name }: { readonly name: string; readonly input: I; readonly output: O },
  action: AuditAction,
  target: (request: MessageShape<I>, response: MessageShape<O> | undefined) => string,
): [string, Entry] {
  return [name, { action, target: target as Entry["target"] }];
}

const {
  signUp,
  login,
  refreshToken,
  logout,
  revokeSession,
  revokeOtherSessions,
  changePassword,
  exchangeApiKey,
  createClient,
  updateClient,
  deleteClient,
  regenerateClientKey,
  createUser,
  setUserDisabled,
  setUserRole,
  unlockUser,
  rotateSigningKey,
} = AuthService.method;

const user = (id: string | undefined) => auditSubject("user", id);
const client = (id: string | undefined) => auditSubject("client", id);
const session = (id: string | undefined) => auditSubject("session", id);

/** What is kept of each call, whether it succeeded or not: the one table. A call that is not here changes nobody's access. */
const entries: ReadonlyMap<string, Entry> = new Map([
  entry(signUp, "user.signed_up", (_, response) => user(response?.account?.id)),
  entry(login, "session.started", (_, response) => user(response?.account?.id)),
  entry(refreshToken, "session.refreshed", () => ""),
  entry(logout, "session.ended", () => ""),
  entry(revokeSession, "session.revoked", ({ sessionId }) => session(sessionId)),
  entry(revokeOtherSessions, "session.others_revoked", () => ""),
  entry(changePassword, "user.password_changed", () => ""),
  entry(exchangeApiKey, "client.key_exchanged", () => ""),
  entry(createClient, "client.created", (_, response) => client(response?.client?.id)),
  entry(updateClient, "client.updated", (request) => client(request.client?.id)),
  entry(deleteClient, "client.deleted", ({ clientId }) => client(clientId)),
  entry(regenerateClientKey, "client.key_regenerated", ({ clientId }) => client(clientId)),
  entry(createUser, "user.created", (_, response) => user(response?.user?.id)),
  entry(setUserDisabled, "user.disabled_set", ({ userId }) => user(userId)),
  entry(setUserRole, "user.role_set", ({ userId }) => user(userId)),
  entry(unlockUser, "user.unlocked", ({ userId }) => user(userId)),
  entry(rotateSigningKey, "key.rotated", (_, response) =>
    response?.key === undefined ? "" : `key:${response.key.id}`,
  ),
]);

/** Keeps what happened before it is answered. */
export function auditInterceptor(audit: Audit): Interceptor {
  return (next) => async (request) => {
    const found = request.service === AuthService ? entries.get(request.method.name) : undefined;
    const call = request.contextValues.get(callKey);
    if (found === undefined || call === undefined || request.stream) return next(request);
    return audit.keep<Awaited<ReturnType<typeof next>>>(
      call,
      found.action,
      (response) => found.target(request.message, response?.message),
      () => next(request),
    );
  };
}
