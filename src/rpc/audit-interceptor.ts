import { type DescMessage, type DescMethod, isMessage, type MessageShape } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { AuthService, RefreshTokenRequestSchema } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import {
  DeadLetter_Source,
  type DiscardDeadLettersRequest,
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

/** The action's name, and to whom it was done, if to anybody; `response` is undefined where the call failed. */
function entry<I extends DescMessage, O extends DescMessage>(
  method: DescMethod & { readonly input: I; readonly output: O },
  action: AuditAction,
  target: (request: MessageShape<I>, response: MessageShape<O> | undefined) => string = () => "",
): [DescMethod, Entry] {
  return [method, { action, target: target as Entry["target"] }];
}

const { method } = AuthService;

const user = (id: string | undefined) => auditSubject("user", id);
const client = (id: string | undefined) => auditSubject("client", id);
const job = (id: string | undefined) => auditSubject("job", id);
const session = (id: string | undefined) => auditSubject("session", id);

/** The audit's subject for a redrive; empty when everything was redriven. */
function dead({ what }: RedriveRequest): string {
  if (what.case !== "one") return "";
  const { source, id } = what.value;
  return source === DeadLetter_Source.RESULT ? deadResult(id) : job(id);
}

/** The same for what was discarded; empty unless it was one. */
function discarded({ ids: [id = "", ...others] }: DiscardDeadLettersRequest): string {
  return others.length === 0 ? deadResult(id) : "";
}

function deadResult(number: string): string {
  return /^\d{1,19}$/.test(number) ? `result:${number}` : "";
}

/**
 * The one table of what the audit keeps of each call, whether it succeeded or not. A call that is not here changes nobody's
 * access, and only what is the caller's own.
 */
const entries: ReadonlyMap<DescMethod, Entry> = new Map([
  entry(method.signUp, "user.signed_up", (_, response) => user(response?.account?.id)),
  entry(method.login, "session.started", (_, response) => user(response?.account?.id)),
  entry(method.refreshToken, "session.refreshed"),
  entry(method.logout, "session.ended"),
  entry(method.revokeSession, "session.revoked", ({ sessionId }) => session(sessionId)),
  entry(method.revokeOtherSessions, "session.others_revoked"),
  entry(method.changePassword, "user.password_changed"),
  entry(method.updateProfile, "user.renamed"),
  entry(method.deleteProfile, "user.deleted"),
  entry(method.requestEmailChange, "user.email_change_requested"),
  entry(method.confirmEmailChange, "user.email_changed", ({ token }) => auditTokenOwner(token)),
  entry(method.requestPasswordReset, "user.password_reset_requested"),
  entry(method.resetPassword, "user.password_reset", ({ token }) => auditTokenOwner(token)),
  entry(method.exchangeApiKey, "client.key_exchanged", ({ apiKey }) => auditKeyOwner(apiKey)),
  entry(method.createClient, "client.created", (_, response) => client(response?.client?.id)),
  entry(method.updateClient, "client.updated", (request) => client(request.client?.id)),
  entry(method.deleteClient, "client.deleted", ({ clientId }) => client(clientId)),
  entry(method.regenerateClientKey, "client.key_regenerated", ({ clientId }) => client(clientId)),
  entry(method.createUser, "user.created", (_, response) => user(response?.user?.id)),
  entry(method.setUserDisabled, "user.disabled_set", ({ userId }) => user(userId)),
  entry(method.setUserRole, "user.role_set", ({ userId }) => user(userId)),
  entry(method.deleteUser, "user.deleted", ({ userId }) => user(userId)),
  entry(method.issueUserToken, "user.token_issued", ({ userId }) => user(userId)),
  entry(method.unlockUser, "user.unlocked", ({ userId }) => user(userId)),
  entry(method.rotateSigningKey, "key.rotated", (_, response) =>
    response?.key === undefined ? "" : `key:${response.key.id}`,
  ),
  entry(ImageJobService.method.redrive, "dead_letters.redriven", dead),
  entry(ImageJobService.method.discardDeadLetters, "dead_letters.discarded", discarded),
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
