import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ConnectError } from "@connectrpc/connect";
import { decodeJwt } from "jose";
import { describe, expect, test } from "vitest";
import { Principal_Kind } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { bearer } from "../../src/client/index.ts";
import { runningClock } from "../contracts/movable-clock.ts";
import { smallPicture } from "../support/pictures.ts";
import { refusal, refusalOf } from "../support/refusals.ts";
import { serve, signIn, signInAdmin, submitJob } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";
import { openWorkerQueues } from "../support/worker-queues.ts";

const server = await shareServer({ JWT_EXPIRY: "600" }, { worker: false });
const { auth, jobs } = server;
const queues = await openWorkerQueues(server.dataDir);
const { credential: admin } = await signInAdmin({ auth });

const refused = { code: "Unauthenticated", reason: "CREDENTIAL_INVALID" };
const minute = 60_000;

async function newClient(scopes: string[] = ["jobs:submit", "jobs:read", "images:write", "images:read", "auth:check"]) {
  const { client, apiKey } = await auth.createClient({ client: { name: "a service", scopes } }, admin);
  return { id: client?.id ?? "", apiKey, client };
}

const exchange = async (apiKey: string, scopes: string[] = []) =>
  (await auth.exchangeApiKey({ apiKey, scopes })).accessToken;
const check = (credential: string) => auth.checkAuth({}, bearer(credential));

describe("an API client", () => {
  test("is made with a key that is shown once, and read back without it", async () => {
    const wanted = { name: "Übersetzer 🛠", description: "calls at night", scopes: ["jobs:read", "auth:check"] };
    const { client, apiKey } = await auth.createClient({ client: wanted }, admin);
    const [, secret = ""] = new RegExp(`^dk_${client?.id}_([A-Za-z0-9_-]{43})$`).exec(apiKey) ?? [];
    expect(secret).not.toBe("");
    expect(client).toMatchObject({ ...wanted, disabled: false });
    const read = await auth.getClient({ clientId: client?.id ?? "" }, admin);
    expect(read.client).toEqual(client);
    expect(JSON.stringify(read, (_, value) => (typeof value === "bigint" ? String(value) : value))).not.toContain(
      secret,
    );
  });

  test.each([
    ["no name", { name: "" }, "name"],
    ["a name of 101 characters", { name: "x".repeat(101) }, "name"],
    ["a description of 1001 characters", { name: "a", description: "x".repeat(1001) }, "description"],
    ["a scope that is none", { name: "a", scopes: ["jobs:read", "jobs:everything"] }, "scopes"],
    ["an end in the past", { name: "a", expireTime: { seconds: 1n, nanos: 0 } }, "expire_time"],
  ])("is refused for %s", async (_, client, field) => {
    expect(await refusal(auth.createClient({ client }, admin))).toMatchObject({
      code: "InvalidArgument",
      fields: [field],
    });
  });

  test("has an id that no account takes for its name, by whatever way", async () => {
    const { id } = await newClient();
    const { credential, username: name, password } = await signIn(server);
    const users = `${server.url}/api/collections/users`;
    const send = async (method: string, url: string, body: object, token = "") => {
      const headers = { "content-type": "application/json", authorization: token };
      return (await fetch(url, { method, headers, body: JSON.stringify(body) })).json();
    };
    const signedIn = await send("POST", `${users}/auth-with-password`, { identity: name, password });
    const { token, record } = signedIn as { token: string; record: { id: string } };
    for (const username of [id, id.toUpperCase()]) {
      const taken = { code: "AlreadyExists", fields: ["username"] };
      expect(await refusal(auth.signUp({ username, password }))).toMatchObject(taken);
      expect(await refusal(auth.createUser({ username, password }, admin))).toMatchObject(taken);
      expect(await refusal(auth.updateProfile({ username }, credential))).toMatchObject(taken);
      const invalid = { data: { username: { code: "validation_invalid_username" } } };
      const user = { username, password, passwordConfirm: password };
      expect(await send("POST", `${users}/records`, user)).toMatchObject(invalid);
      expect(await send("PATCH", `${users}/records/${record.id}`, { username }, token)).toMatchObject(invalid);
    }
    await auth.deleteClient({ clientId: id }, admin);
    await auth.updateProfile({ username: id }, credential);
  });

  test("may end with the last moment there is, and is listed in JSON", async () => {
    const expireTime = { seconds: 253_402_300_799n, nanos: 999_999_999 };
    const { apiKey } = await auth.createClient({ client: { name: "late", scopes: ["auth:check"], expireTime } }, admin);
    await check(apiKey);
    const listed = await fetch(`${server.url}/darkroom.auth.v1.AuthService/ListClients`, {
      method: "POST",
      headers: { ...(admin.headers as object), "content-type": "application/json" },
      body: "{}",
    });
    expect(await listed.text()).toContain('"9999-12-31T23:59:59.999Z"');
  });

  test("calls with its key, in either header, and by a token made from it", async () => {
    const { id, apiKey } = await newClient();
    const token = await exchange(apiKey);
    for (const options of [bearer(apiKey), { headers: { "x-api-key": apiKey } }, bearer(token)]) {
      const { principal } = await auth.checkAuth({}, options);
      expect(principal).toMatchObject({ kind: Principal_Kind.CLIENT, client: { id } });
      expect(principal?.account).toBeUndefined();
    }
    const { iat = 0, exp = 0 } = decodeJwt(token);
    expect(exp - iat).toBe(600);
    expect((await auth.validate({ credential: apiKey })).valid).toBe(true);
  });

  test("owns its jobs and pictures, which no other client or account sees", async () => {
    const [mine, other] = [await newClient(), await newClient()];
    const { image } = await jobs.uploadImage({ data: await smallPicture("png") }, bearer(mine.apiKey));
    const wish = { imageId: image?.id ?? "", prompt: "sepia" };
    expect(await refusal(jobs.submitImageJob(wish, bearer(other.apiKey)))).toMatchObject({ code: "NotFound" });
    const { job } = await jobs.submitImageJob(wish, bearer(mine.apiKey));
    expect((await jobs.listImageJobs({}, bearer(mine.apiKey))).jobs.map(({ id }) => id)).toEqual([job?.id]);
    const user = await signIn(server);
    for (const stranger of [bearer(other.apiKey), user.credential]) {
      expect(await refusal(jobs.pollImageJob({ jobId: job?.id ?? "" }, stranger))).toMatchObject({ code: "NotFound" });
      expect(await refusal(jobs.getImage({ imageId: wish.imageId }, stranger))).toMatchObject({ code: "NotFound" });
    }
  });

  test("does what its scopes say, by a token for some of them only those", async () => {
    const { apiKey } = await newClient(["jobs:read", "auth:check"]);
    expect(await refusal(jobs.submitImageJob({}, bearer(apiKey)))).toMatchObject({ code: "PermissionDenied" });
    const narrow = await exchange(apiKey, ["auth:check"]);
    expect((await check(narrow)).principal?.client?.scopes).toEqual(["auth:check"]);
    expect(await refusal(jobs.listImageJobs({}, bearer(narrow)))).toMatchObject({ code: "PermissionDenied" });
    expect(await refusal(auth.exchangeApiKey({ apiKey, scopes: ["jobs:submit"] }))).toMatchObject({
      code: "InvalidArgument",
      fields: ["scopes"],
    });
  });

  test.each([
    [["jobs:submit"], "/darkroom.imagejob.v1.ImageJobService/SubmitImageJob", "POST"],
    [["jobs:submit", "jobs:read"], "/darkroom.imagejob.v1.ImageJobService/ListModels", "POST"],
    [["admin"], "/darkroom.auth.v1.AuthService/ListUsers", "POST"],
    [["images:write"], "/images", "POST"],
    [["admin"], "/admin/clients", "GET"],
  ])("is told that it needs %j for %s", async (scopes, path, method) => {
    const headers = { "x-api-key": (await newClient(["auth:check"])).apiKey, "content-type": "application/json" };
    const response = await fetch(server.url + path, { method, headers, ...(method === "POST" ? { body: "{}" } : {}) });
    expect(response.headers.get("www-authenticate")).toBe(
      `Bearer realm="darkroom", error="insufficient_scope", scope="${scopes.join(" ")}"`,
    );
    const message = `this credential may not make this call: it needs the scope ${scopes.join(" or ")}`;
    expect(await refusalOf(response)).toMatchObject({ status: 403, message });
  });

  test("is told of no scope where none would help, and nor is a user", async () => {
    const { apiKey } = await newClient(["jobs:read"]);
    const { credential } = await signIn(server);
    for (const call of [() => auth.logout({}, bearer(apiKey)), () => auth.listUsers({}, credential)]) {
      const { message, metadata } = await refusal(call());
      expect([message, metadata.get("www-authenticate")]).toEqual(["this credential may not make this call", null]);
    }
  });

  test("loses a scope with its tokens at the next call", async () => {
    const { id, apiKey } = await newClient(["jobs:read", "auth:check"]);
    const token = await exchange(apiKey);
    await jobs.listImageJobs({}, bearer(token));
    await auth.updateClient({ client: { id, scopes: ["auth:check"] }, updateMask: { paths: ["scopes"] } }, admin);
    for (const credential of [apiKey, token]) {
      expect(await refusal(jobs.listImageJobs({}, bearer(credential)))).toMatchObject({ code: "PermissionDenied" });
    }
  });

  test("is shut out at the next call when it is disabled or deleted", async () => {
    const { id, apiKey } = await newClient();
    const token = await exchange(apiKey);
    const setDisabled = (disabled: boolean) =>
      auth.updateClient({ client: { id, disabled }, updateMask: { paths: ["disabled"] } }, admin);
    await check(apiKey);
    await setDisabled(true);
    for (const credential of [apiKey, token]) expect(await refusal(check(credential))).toMatchObject(refused);
    expect(await refusal(auth.exchangeApiKey({ apiKey }))).toMatchObject(refused);
    await setDisabled(false);
    for (const credential of [apiKey, token]) await check(credential);
    await auth.deleteClient({ clientId: id }, admin);
    for (const credential of [apiKey, token]) expect(await refusal(check(credential))).toMatchObject(refused);
    expect(await refusal(auth.getClient({ clientId: id }, admin))).toMatchObject({ reason: "CLIENT_NOT_FOUND" });
    expect(await refusal(auth.deleteClient({ clientId: id }, admin))).toMatchObject({ code: "NotFound" });
  });

  test("takes its jobs that have not ended with it", async () => {
    const [gone, other] = [await newClient(), await newClient()];
    const submitted = [];
    for (const { apiKey } of [gone, other]) {
      const { jobId } = await submitJob({ jobs }, bearer(apiKey));
      submitted.push(await queues.message(jobId));
    }
    await auth.deleteClient({ clientId: gone.id }, admin);
    const [cancelled, kept] = submitted.map(({ token, dispatch }) =>
      server.worker.claimJob({ dispatch }, bearer(token)),
    );
    expect(await refusal(cancelled ?? Promise.reject())).toMatchObject({ reason: "JOB_ENDED" });
    expect(await kept).toMatchObject({ attempt: 1 });
    expect((await jobs.listDeadLetters({}, admin)).deadLetters).toEqual([]);
  });

  test("gets a new key, and the old one ends at once or after its grace", async () => {
    const { id, apiKey: first } = await newClient();
    const oldToken = await exchange(first);
    const { apiKey: second } = await auth.regenerateClientKey(
      { clientId: id, gracePeriod: { seconds: 3600n, nanos: 0 } },
      admin,
    );
    for (const credential of [first, second, oldToken]) await check(credential);
    const { apiKey: third, client } = await auth.regenerateClientKey({ clientId: id }, admin);
    expect(client?.previousKeyExpireTime).toBeUndefined();
    for (const credential of [first, second, oldToken]) expect(await refusal(check(credential))).toMatchObject(refused);
    await check(third);
    for (const seconds of [-1n, 30n * 86_400n + 1n]) {
      const gracePeriod = { seconds, nanos: 0 };
      expect(await refusal(auth.regenerateClientKey({ clientId: id, gracePeriod }, admin))).toMatchObject({
        fields: ["grace_period"],
      });
    }
  });

  test("is told and listed after a grace that is no whole number of milliseconds", async () => {
    const { id: clientId } = await newClient();
    const wanted = { clientId, gracePeriod: { seconds: 3600n, nanos: 100_000 } };
    const { client, apiKey } = await auth.regenerateClientKey(wanted, admin);
    await check(apiKey);
    expect((await auth.getClient({ clientId }, admin)).client?.previousKeyExpireTime).toEqual(
      client?.previousKeyExpireTime,
    );
    expect((await auth.listClients({}, admin)).clients.map(({ id }) => id)).toContain(clientId);
  });

  test("changes by a mask in the fields that it names alone", async () => {
    const { id, client } = await newClient();
    const { client: renamed } = await auth.updateClient(
      { client: { id, name: "renamed", description: "unnamed" }, updateMask: { paths: ["name"] } },
      admin,
    );
    expect(renamed).toEqual({ ...client, name: "renamed" });
    const scopes = ["images:read", "jobs:submit", "images:read"];
    const { client: changed } = await auth.updateClient(
      { client: { id, scopes }, updateMask: { paths: ["scopes"] } },
      admin,
    );
    expect(changed?.scopes).toEqual(["jobs:submit", "images:read"]);
    for (const paths of [[], ["id"], ["name", "key_hash"], ["*"]]) {
      expect(
        await refusal(auth.updateClient({ client: { id, name: "x" }, updateMask: { paths } }, admin)),
      ).toMatchObject({
        fields: ["update_mask"],
      });
    }
  });

  test("is told when it was last used", async () => {
    const { id, apiKey } = await newClient();
    await check(apiKey);
    await expect
      .poll(async () => (await auth.getClient({ clientId: id }, admin)).client?.lastUseTime?.seconds ?? 0n)
      .toBeGreaterThan(1_700_000_000n);
  });

  test("is listed by the page, the newest first", async () => {
    const made = [await newClient(), await newClient(), await newClient()].map(({ id }) => id);
    const first = await auth.listClients({ pageSize: 2 }, admin);
    const second = await auth.listClients({ pageSize: 2, pageToken: first.nextPageToken }, admin);
    const seen = [...first.clients, ...second.clients].map(({ id }) => id);
    expect(new Set(seen).size).toBe(4);
    expect(seen.slice(0, 3).toSorted()).toEqual(made.toSorted());
    expect(await refusal(auth.listClients({ pageSize: 101 }, admin))).toMatchObject({ fields: ["page_size"] });
  });
});

describe("by the clock", () => {
  async function timed() {
    const clock = runningClock();
    const { auth } = await serve({}, { worker: false, clock });
    const { credential: admin } = await signInAdmin({ auth });
    const inMinutes = (minutes: number) => timestampFromMs(clock() + minutes * minute);
    return { auth, admin, clock, inMinutes, check: (credential: string) => auth.checkAuth({}, bearer(credential)) };
  }

  test("an API client is shut out when its end has come, and may be given another", async () => {
    const { auth, admin, clock, inMinutes, check } = await timed();
    const wanted = { name: "a service", scopes: ["auth:check"], expireTime: inMinutes(5) };
    const { client, apiKey } = await auth.createClient({ client: wanted }, admin);
    const update = (change: { name?: string; expireTime?: Timestamp }, path: string) =>
      auth.updateClient({ client: { id: client?.id ?? "", ...change }, updateMask: { paths: [path] } }, admin);
    const { accessToken } = await auth.exchangeApiKey({ apiKey });
    for (const credential of [apiKey, accessToken]) await check(credential);
    clock.advance(5 * minute);
    for (const credential of [apiKey, accessToken]) expect(await refusal(check(credential))).toMatchObject(refused);
    expect(await refusal(auth.exchangeApiKey({ apiKey }))).toMatchObject(refused);

    expect((await update({ name: "late" }, "name")).client?.name).toBe("late");
    expect(await refusal(update({ expireTime: inMinutes(-1) }, "expire_time"))).toMatchObject({
      fields: ["expire_time"],
    });
    await update({ expireTime: inMinutes(5) }, "expire_time");
    await check(apiKey);
    // A token was made for no longer than its client had then.
    expect(await refusal(check(accessToken))).toMatchObject(refused);
  });

  test("an API client's old key and its tokens end with their grace, and the key before it at once", async () => {
    const { auth, admin, clock, check } = await timed();
    const wanted = { name: "a service", scopes: ["auth:check"] };
    const { client, apiKey: first } = await auth.createClient({ client: wanted }, admin);
    const regenerate = async () => {
      const gracePeriod = { seconds: 60n, nanos: 0 };
      return (await auth.regenerateClientKey({ clientId: client?.id ?? "", gracePeriod }, admin)).apiKey;
    };
    const tokenOf = async (apiKey: string) => (await auth.exchangeApiKey({ apiKey })).accessToken;
    const before = [first, await tokenOf(first)];
    const second = await regenerate();
    const old = [second, await tokenOf(second)];
    const third = await regenerate();
    for (const credential of [...old, third]) await check(credential);
    for (const credential of before) expect(await refusal(check(credential))).toMatchObject(refused);
    clock.advance(minute);
    for (const credential of old) expect(await refusal(check(credential))).toMatchObject(refused);
    await check(third);
  });
});

test.each([
  ["another secret", (key: string) => `${key.slice(0, -2)}${key.endsWith("AA") ? "BB" : "AA"}`],
  ["a client that is not there", (key: string) => key.replace(/^dk_[a-z0-9]{16}/, "dk_aaaaaaaaaaaaaaaa")],
  ["a part of a key", (key: string) => key.slice(0, 30)],
  ["a longer key", (key: string) => `${key}A`],
  ["upper case", (key: string) => key.toUpperCase()],
])("a key with %s is refused", async (_, change) => {
  const { apiKey } = await newClient();
  const forged = change(apiKey);
  expect(await refusal(check(forged))).toMatchObject(refused);
  expect(await refusal(auth.exchangeApiKey({ apiKey: forged }))).toMatchObject(refused);
  expect((await auth.validate({ credential: forged })).valid).toBe(false);
});

test("whoever sends keys that are none keeps nobody from signing in, and no key that is one waiting", async () => {
  const { username: identity, password } = await signIn(server);
  const { apiKey } = await newClient();
  const forged = Array.from({ length: 100 }, (_, index) => `dk_${"a".repeat(16)}_${String(index).padStart(43, "A")}`);
  const reasonOf = (error: ConnectError) => error.findDetails(ErrorInfoSchema)[0]?.reason;
  const flood = forged.map((credential) => auth.validate({ credential }).then(() => "", reasonOf));
  expect(await Promise.race([exchange(apiKey), Promise.all(flood)])).toEqual(expect.any(String));
  const { apiKey: another } = await newClient();
  expect(await Promise.race([exchange(another), Promise.all(flood)])).toEqual(expect.any(String));
  const login = await auth.login({ identity, password });
  expect(login.account?.username).toBe(identity);
  expect(await Promise.all(flood)).toContain("PASSWORDS_BUSY");
});
