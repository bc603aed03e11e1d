import { type DescMessage, type DescMethod, isMessage, type MessageShape } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { AuthService, RefreshTokenRequestSchema } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import {
  DeadLetter_Source,
  ImageJobService,
  type RedriveRequest,
} from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import type { UseCases } from "../core/use-cases.ts";
import { type AuditAction, auditKeyOwner, auditSubject, auditTokenOwner } from "../model/audit.ts";
import { callKey } from "./call.ts";

interface Entry {
  readonly action: AuditAction;
  target(request: unknown, response: unknown): string;
}

/** The action's name, and to whom it was done; `response` is undefined where the call failed. */
function entry<I extends DescMessage, O extends DescMessage>(
  method: DescMethod & { readonly input: I; readonly output: O },
  action: AuditAction,
  target: (request: MessageShape<I>, response: MessageShape<O> | undefined) => string,
): [DescMethod, Entry] {
  return [method, { action, target: target as Entry["target"] }];
}

const {
  signUp,
  login,
  refreshToken,
  logout,
  revokeSession,
  revokeOtherSessions,
  updateProfile,
  deleteProfile,
  requestEmailChange,
  confirmEmailChange,
  requestPasswordReset,
  resetPassword,
  changePassword,
  exchangeApiKey,
  createClient,
  updateClient,
  deleteClient,
  regenerateClientKey,
  createUser,
  setUserDisabled,
  setUserRole,
  deleteUser,
  issueUserToken,
  unlockUser,
  rotateSigningKey,
} = AuthService.method;
const { redrive } = ImageJobService.method;

const user = (id: string | undefined) => auditSubject("user", id);
const client = (id: string | undefined) => auditSubject("client", id);
const job = (id: string | undefined) => auditSubject("job", id);
const session = (id: string | undefined) => auditSubject("session", id);

/** The audit's subject for a redrive; empty when everything was redriven. */
function dead({ what }: RedriveRequest): string {
  if (what.case !== "one") return "";
  const { source, id } = what.value;
  if (source === DeadLetter_Source.RESULT) return /^\d{1,19}$/.test(id) ? `result:${id}` : "";
  return job(id);
}

/**
 * The one table of what the audit keeps of each call, whether it succeeded or not. A call that is not here changes nobody's
 * access, and only what is the caller's own.
 */
const entries: ReadonlyMap<DescMethod, Entry> = new Map([
  entry(signUp, "user.signed_up", (_, response) => user(response?.account?.id)),
  entry(login, "session.started", (_, response) => user(response?.account?.id)),
  entry(refreshToken, "session.refreshed", () => ""),
  entry(logout, "session.ended", () => ""),
  entry(revokeSession, "session.revoked", ({ sessionId }) => session(sessionId)),
  entry(revokeOtherSessions, "session.others_revoked", () => ""),
  entry(changePassword, "user.password_changed", () => ""),
  entry(updateProfile, "user.renamed", () => ""),
  entry(deleteProfile, "user.deleted", () => ""),
  entry(requestEmailChange, "user.email_change_requested", () => ""),
  entry(confirmEmailChange, "user.email_changed", ({ token }) => auditTokenOwner(token)),
  entry(requestPasswordReset, "user.password_reset_requested", () => ""),
  entry(resetPassword, "user.password_reset", ({ token }) => auditTokenOwner(token)),
  entry(exchangeApiKey, "client.key_exchanged", ({ apiKey }) => auditKeyOwner(apiKey)),
  entry(createClient, "client.created", (_, response) => client(response?.client?.id)),
  entry(updateClient, "client.updated", (request) => client(request.client?.id)),
  entry(deleteClient, "client.deleted", ({ clientId }) => client(clientId)),
  entry(regenerateClientKey, "client.key_regenerated", ({ clientId }) => client(clientId)),
  entry(createUser, "user.created", (_, response) => user(response?.user?.id)),
  entry(setUserDisabled, "user.disabled_set", ({ userId }) => user(userId)),
  entry(setUserRole, "user.role_set", ({ userId }) => user(userId)),
  entry(deleteUser, "user.deleted", ({ userId }) => user(userId)),
  entry(issueUserToken, "user.token_issued", ({ userId }) => user(userId)),
  entry(unlockUser, "user.unlocked", ({ userId }) => user(userId)),
  entry(rotateSigningKey, "key.rotated", (_, response) =>
    response?.key === undefined ? "" : `key:${response.key.id}`,
  ),
  entry(redrive, "dead_letters.redriven", dead),
]);

/** Keeps the audit event before the call is answered. */
export function auditInterceptor({ audit, sessions }: UseCases): Interceptor {
  /** Asks first whose session a refresh token is of: the call may end the session. */
  const subjectOf = async (message: object) =>
    isMessage(message, RefreshTokenRequestSchema) ? sessions.subjectOf(message.refreshToken) : "";

  return (next) => (request) => {
    const found = entries.get(request.method);
    const call = request.contextValues.get(callKey);
    if (found === undefined || call === undefined || request.stream) return next(request);
    return subjectOf(request.message).then((subject) =>
      audit.keep<Awaited<ReturnType<typeof next>>>(
        call,
        found.action,
        () => next(request),
        (response) => subject || found.target(request.message, response?.message),
      ),
    );
  };
}
