import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { recordingLog } from "../support/log.ts";
import { signInAdmin } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const log = recordingLog();
const { url, auth, dataDir } = await shareServer({}, { worker: false, log });
const account = { email: "ada@example.com", password: "a-long-enough-one" };
await auth.signUp(account);
const admin = await signInAdmin({ auth });
await auth.createClient({ client: { name: "billing" } }, admin.credential);
const database = new DatabaseSync(join(dataDir, "darkroom.db"));
for (const table of ["accounts", "clients"])
  database.exec(`UPDATE ${table} SET doc = json_remove(doc, '$.createdAt') WHERE doc NOT LIKE '%"admin"%'`);
database.close();

const login = { identity: account.email, password: account.password };
const quote = (id: string) => `nternal error; quote request id ${id}`;

test.each<[string, object | undefined, (id: string) => object]>([
  [
    "/darkroom.auth.v1.AuthService/Login",
    login,
    (id) => ({ code: "internal", message: `i${quote(id)}`, details: expect.any(Array) }),
  ],
  [
    "/admin/clients",
    undefined,
    (id) => ({
      type: "about:blank",
      title: "Internal Server Error",
      status: 500,
      detail: `i${quote(id)}`,
      request_id: id,
    }),
  ],
  ["/api/collections/users/auth-with-password", login, (id) => ({ code: 500, message: `I${quote(id)}.`, data: {} })],
  [
    "/auth/v1/token?grant_type=password",
    account,
    (id) => ({
      code: 500,
      error_code: "unexpected_failure",
      msg: "Unexpected failure, please check server logs for more information",
      error_id: id,
    }),
  ],
])("what nobody foresaw is told by its request's id alone, and why in the log: %s", async (path, body, told) => {
  const id = crypto.randomUUID();
  const headers = { "x-request-id": id, "content-type": "application/json" };
  const wanted =
    body === undefined
      ? { headers: { ...headers, authorization: `Bearer ${admin.token}` } }
      : { method: "POST", headers, body: JSON.stringify(body) };
  const answer = await fetch(url + path, wanted);
  expect([answer.status, await answer.json()]).toEqual([500, told(id)]);
  const errors = log.lines.filter(({ level, fields }) => level === "error" && fields.request_id === id);
  expect(errors.map(({ fields }) => fields.err)).toEqual([expect.any(Error)]);
});
