import type { FastifyInstance, FastifyRequest } from "fastify";
import type { SignedIn } from "../../core/accounts/sessions.ts";
import type { UseCases } from "../../core/use-cases.ts";
import type { Operation } from "../../model/access.ts";
import { type AuditAction, auditSubject } from "../../model/audit.ts";
import type { Call } from "../../model/call.ts";
import { limitedAs } from "../common/limited-as.ts";
import { noPhone, Refused, refusal } from "./refusal.ts";
import { toSession } from "./session-shape.ts";
import { recovering, signingUp, tokenIssuing } from "./sign-in-schemas.ts";

interface Credentials {
  readonly email?: string;
  readonly phone?: string;
  readonly password?: string;
  readonly refresh_token?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

interface Sent {
  readonly Body: Credentials | null;
}

interface ByGrant extends Sent {
  readonly Querystring: { readonly grant_type?: string };
}

interface Grant {
  readonly limitedAs: Operation;
  readonly action: AuditAction;
  take(call: Call, body: Credentials): Promise<SignedIn>;
  /** Whose session the body's token is of, for the audit: asked first, since the grant may end the session. */
  subjectOf?(body: Credentials): Promise<string>;
}

const surface = "supabase";
const nobody = refusal(422, "anonymous_provider_disabled", "Anonymous sign-ins are disabled");
const passwordless = refusal(400, "validation_failed", "Signup requires a valid password");
const nameless = refusal(400, "validation_failed", "missing email or phone");
const unsupported = refusal(400, "invalid_credentials", "unsupported_grant_type");

/** Signing up and in, and going on with a session. */
export function addSignInRoutes(scope: FastifyInstance, { accounts, audit, recovery, sessions }: UseCases): void {
  const grants = new Map<string | undefined, Grant>([
    ["password", { limitedAs: "darkroom.auth.v1.AuthService/Login", action: "session.started", take: signIn }],
    [
      "refresh_token",
      {
        limitedAs: "darkroom.auth.v1.AuthService/RefreshToken",
        action: "session.refreshed",
        take: (_call, { refresh_token = "" }) => sessions.refresh(refresh_token),
        subjectOf: ({ refresh_token = "" }) => sessions.subjectOf(refresh_token),
      },
    ],
  ]);

  async function signIn(call: Call, { email = "", phone = "", password = "" }: Credentials): Promise<SignedIn> {
    if (phone !== "") throw new Refused(noPhone);
    if (email === "") throw new Refused(nameless);
    return sessions.login(email, password, call, { surface });
  }

  async function signUp(call: Call, { email = "", phone = "", password = "", data = {} }: Credentials) {
    if (phone !== "") throw new Refused(noPhone);
    if (email === "") throw new Refused(nobody);
    if (password === "") throw new Refused(passwordless);
    const sign = () => accounts.signUp({ username: "", email, password, metadata: data });
    const account = await audit.keep(call, "user.signed_up", sign, (made) => auditSubject("user", made?.id));
    return kept(call, "session.started", () => sessions.begin(account, call, { surface }));
  }

  async function kept(call: Call, action: AuditAction, act: () => Promise<SignedIn>, subject = "") {
    const refresh = await audit.keep(
      call,
      action,
      act,
      (result) => subject || auditSubject("user", result?.account.id),
    );
    return toSession(refresh, await sessions.lastStart(refresh.account.id));
  }

  const signUpConfig = limitedAs("darkroom.auth.v1.AuthService/SignUp");
  scope.post<Sent>("/signup", { schema: signingUp, config: signUpConfig }, ({ call, body }) =>
    signUp(call, body ?? {}),
  );

  const grantOf = ({ query }: FastifyRequest) => grants.get((query as ByGrant["Querystring"]).grant_type);
  const tokenConfig = {
    limitedAs: (request: FastifyRequest) => grantOf(request)?.limitedAs ?? "darkroom.auth.v1.AuthService/Login",
  };
  scope.post<ByGrant>("/token", { schema: tokenIssuing, config: tokenConfig }, async (request) => {
    const grant = grantOf(request);
    if (grant === undefined) throw new Refused(unsupported);
    const { call, body } = request;
    const subject = await grant.subjectOf?.(body ?? {});
    return kept(call, grant.action, () => grant.take(call, body ?? {}), subject);
  });

  const recoverConfig = limitedAs("darkroom.auth.v1.AuthService/RequestPasswordReset");
  scope.post<Sent>("/recover", { schema: recovering, config: recoverConfig }, async ({ call, body }) => {
    const ask = async () => recovery.requestPasswordReset(body?.email ?? "");
    await audit.keep(call, "user.password_reset_requested", ask);
    return {};
  });
}
