import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { isOpen, operations } from "../../src/model/access.ts";
import { signIn, signInAdmin, unlimited } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

// Nobody needs to get the letters here.
const mail = { SMTP_URL: "smtp://127.0.0.1:9", MAIL_FROM: "darkroom@example.com" };
const limits = unlimited("SignUp", "Login", "ResetPassword", "RequestPasswordReset", "ConfirmEmailChange");
const server = await shareServer({ ...mail, DARKROOM_RATE_LIMITS: limits }, { worker: false });
const { auth } = server;
const { credential: admin } = await signInAdmin({ auth });

/** An account with an address, and all that is known of it. */
async function account() {
  const user = await signIn(server);
  const { account, username, password } = user;
  const [id, email] = [account?.id ?? "", `${username}@example.com`];
  const { token } = await auth.issueUserToken({ userId: id, email }, admin);
  await auth.confirmEmailChange({ token });
  const { sessionToken } = await auth.login({ identity: username, password, sessionToken: true });
  const session = /^ds_([\da-f-]{36})_/.exec(sessionToken)?.[1] ?? "";
  return { ...user, id, email, session };
}

/** Others for each way to sign in, since who is asked for too often is asked more slowly. */
async function people(name: string) {
  const [known, disabled, deleted] = [await account(), await account(), await account()];
  await auth.setUserDisabled({ userId: disabled.id, disabled: true }, admin);
  await auth.deleteUser({ userId: deleted.id }, admin);
  const nobody = { username: name, email: `${name}@example.com`, id: randomUUID(), session: randomUUID() };
  return { known, shutOut: [disabled, deleted], everyone: [known, disabled, deleted, nobody] };
}

const { known, shutOut, everyone } = await people("nobody-here");
const inPocketBase = await people("nobody-there");
const inSupabase = await people("nobody-else");

const { apiKey } = await auth.createClient({ client: { name: "a", scopes: ["auth:check"] } }, admin);
const shut = await auth.createClient({ client: { name: "b", scopes: ["auth:check"], disabled: true } }, admin);
const secret = "A".repeat(43);
const clientIds = [apiKey, shut.apiKey, `dk_${"a".repeat(16)}_${secret}`].map((key) => key.split("_")[1] ?? "");
const wrongKeys = clientIds.map((id) => `dk_${id}_${secret}`);
const basic = (id: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString("base64")}`;
const newPassword = "a good new one";

interface Ask {
  readonly query?: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

const service = "darkroom.auth.v1.AuthService";
/** What somebody would ask to learn who has an account: each call's asks differ in that alone. */
const asks: Readonly<Record<string, readonly (readonly Ask[])[]>> = {
  [`${service}/Login`]: [
    everyone.map(({ username }) => ({ body: { identity: username, password: "wrong password" } })),
    everyone.map(({ email }) => ({ body: { identity: email, password: "wrong password" } })),
    // Who is shut out is not told so, though the password is right.
    shutOut.map(({ username, password }) => ({ body: { identity: username, password } })),
  ],
  [`${service}/RequestPasswordReset`]: [everyone.map(({ email }) => ({ body: { email } }))],
  [`${service}/ResetPassword`]: [
    everyone.map(({ id }) => ({ body: { token: `dp_${id}_${secret}`, newPassword } })),
    everyone.map(({ id }) => ({ body: { token: `de_${id}_${secret}`, newPassword } })),
  ],
  [`${service}/ConfirmEmailChange`]: [everyone.map(({ id }) => ({ body: { token: `de_${id}_${secret}` } }))],
  [`${service}/Validate`]: [
    everyone.map(({ session }) => ({ body: { credential: `ds_${session}_${secret}` } })),
    shutOut.map(({ token }) => ({ body: { credential: token } })),
    wrongKeys.map((credential) => ({ body: { credential } })),
  ],
  [`${service}/RefreshToken`]: [
    shutOut.map(({ refreshToken }) => ({ body: { refreshToken } })),
    [known.refreshToken.slice(0, -6), "nonsense"].map((start) => ({ body: { refreshToken: `${start}AAAAAA` } })),
  ],
  [`${service}/ExchangeApiKey`]: [[...wrongKeys, shut.apiKey].map((apiKey) => ({ body: { apiKey } }))],
  "POST /api/collections/users/auth-with-password": [
    inPocketBase.everyone.map(({ username }) => ({ body: { identity: username, password: "wrong password" } })),
    inPocketBase.everyone.map(({ email }) => ({ body: { identity: email, password: "wrong password" } })),
    inPocketBase.shutOut.map(({ username, password }) => ({ body: { identity: username, password } })),
  ],
  "POST /api/collections/users/request-password-reset": [everyone.map(({ email }) => ({ body: { email } }))],
  "POST /api/collections/users/confirm-password-reset": [
    everyone.map(({ id }) => ({
      body: { token: `dp_${id}_${secret}`, password: newPassword, passwordConfirm: newPassword },
    })),
  ],
  "POST /auth/v1/token": [
    inSupabase.everyone.map(({ email }) => ({
      body: { email, password: "wrong password" },
      query: "?grant_type=password",
    })),
    inSupabase.shutOut.map(({ email, password }) => ({ body: { email, password }, query: "?grant_type=password" })),
    inSupabase.shutOut.map((each) => ({
      body: { refresh_token: each.refreshToken },
      query: "?grant_type=refresh_token",
    })),
  ],
  "POST /auth/v1/recover": [everyone.map(({ email }) => ({ body: { email } }))],
  "GET /session/validate": [
    everyone.map(({ session }) => ({ headers: { cookie: `session=ds_${session}_${secret}` } })),
    everyone.map(({ session }) => ({ headers: { "x-session-token": `ds_${session}_${secret}` } })),
  ],
  "POST /auth/token": [
    [...wrongKeys, shut.apiKey].map((api_key) => ({ body: { api_key } })),
    wrongKeys.map((key) => ({ headers: { "x-api-key": key }, body: {} })),
    clientIds.map((id) => ({ headers: { authorization: basic(id) }, body: { grant_type: "client_credentials" } })),
  ],
};

/** Open calls that know of no account; sign-up has to say that a name is taken, and is limited for it. */
const others =
  /\/(SignUp|signup|settings|users\/records|auth-methods|openapi\.json|health.*|Check|List|Watch|ServerReflectionInfo|jwks\.json)$|health\/(live|ready)$/;

async function answerOf(operation: string, { query = "", body, headers = {} }: Ask) {
  const [method, path] = operation.includes(" ") ? operation.split(" ") : ["POST", `/${operation}`];
  const response = await fetch(`${server.url}${path}${query}`, {
    method: method ?? "",
    headers: { "x-request-id": "q-1", ...(body && { "content-type": "application/json" }), ...headers },
    ...(body && { body: JSON.stringify(body) }),
  });
  const changing = ["date", "ratelimit"];
  const fields = [...response.headers].filter(([name]) => !changing.includes(name));
  return { status: response.status, fields, body: await response.text() };
}

test("every open call is asked", () => {
  expect(operations.filter((operation) => isOpen(operation) && !others.test(operation)).toSorted()).toEqual(
    Object.keys(asks).toSorted(),
  );
});

describe("it is not told whether an account or a client is there", () => {
  test.each(Object.keys(asks))("by %s", async (operation) => {
    for (const alike of asks[operation] ?? []) {
      const [first, ...rest] = await Promise.all(alike.map((ask) => answerOf(operation, ask)));
      expect(rest.length).toBeGreaterThan(0);
      for (const [index, answer] of rest.entries()) expect({ index, ...answer }).toEqual({ index, ...first });
    }
  });
});
