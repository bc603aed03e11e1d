import { describe, expect, test } from "vitest";
import { smallPicture } from "../support/pictures.ts";
import { adminPassword, signIn, signInAdmin } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";
import { openWorkerQueues } from "../support/worker-queues.ts";

const server = await shareServer({}, { worker: false });
const { url } = server;

interface Body {
  readonly id: string;
  readonly token: string;
  readonly record: { readonly id: string };
}

const users = "/api/collections/users";

async function send(method: string, path: string, options: { token?: string; body?: unknown } = {}) {
  const { token, body } = options;
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: token }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
}

const parsed = ({ text }: { text: string }) => JSON.parse(text) as Body;

async function newUser(username: string) {
  const password = "a longer secret";
  const body = { username, email: `${username}@example.com`, password, passwordConfirm: password };
  const { id } = parsed(await send("POST", `${users}/records`, { body }));
  const login = await send("POST", `${users}/auth-with-password`, { body: { identity: username, password } });
  return { id, password, token: parsed(login).token };
}

/** What differs each time. */
function masked(text: string): string {
  return text
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z/g, "TIME")
    .replace(/"id":"[a-z0-9]{15}"/g, '"id":"RECORD"')
    .replace(/"token":"[\w-]+\.[\w-]+\.[\w-]+"/g, '"token":"TOKEN"')
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "UUID");
}

const alice = await newUser("alice");
const { image } = await server.jobs.uploadImage(
  { data: await smallPicture() },
  { headers: { authorization: `Bearer ${alice.token}` } },
);
const uuid = image?.id ?? "";
const message = { prompt: "hello", prompt_guidance: "7.5", strength: "0.8", uuid };
const sent = parsed(await send("GET", `/api/send_message?${new URLSearchParams(message)}`, alice)) as unknown as {
  messageId: string;
};

const refused = (code: number, text: string, data = "{}") => `{"code":${code},"message":"${text}","data":${data}}`;
const blank = '{"code":"validation_required","message":"Cannot be blank."}';
const wentWrong = "Something went wrong while processing your request.";
const needsToken = refused(401, "The request requires valid record authorization token to be set.");
const needsRecord = refused(403, "Only auth records can access this endpoint.");
const notFound = refused(404, "Not Found.");
const noRecord = refused(404, "The requested resource wasn't found.");
const missing = refused(400, "Missing required query parameters.");
const open = (email: string) =>
  `{"avatar":"","collectionId":"_pb_users_auth_","collectionName":"users","created":"TIME",${email}"emailVisibility":false,"id":"RECORD","name":"","updated":"TIME","username":"USERNAME","verified":false}`;
const own = open('"email":"alice@example.com",').replace("USERNAME", "alice");

interface Row {
  readonly what: string;
  readonly request: readonly [method: string, path: string, options?: { token?: string; body?: unknown }];
  readonly answer: readonly [status: number, text: string];
}

const token = alice.token;
const rows: readonly Row[] = [
  { what: "health", request: ["GET", "/api/health"], answer: [200, '{"status":"OK"}'] },
  { what: "health with a slash", request: ["GET", "/api/health/"], answer: [200, '{"status":"OK"}'] },
  {
    what: "a query after a slash",
    request: ["GET", "/api/get_image/?message_id=1795314338-img-1/", { token }],
    answer: [404, noRecord],
  },
  { what: "a token", request: ["GET", "/api/check_auth", { token }], answer: [200, '{"client_id":"alice"}'] },
  {
    what: "a token with its scheme",
    request: ["GET", "/api/check_auth", { token: `Bearer ${token}` }],
    answer: [200, '{"client_id":"alice"}'],
  },
  { what: "no token", request: ["GET", "/api/check_auth"], answer: [403, needsRecord] },
  { what: "a broken token", request: ["GET", "/api/check_auth", { token: `${token}x` }], answer: [403, needsRecord] },
  { what: "another method", request: ["POST", "/api/check_auth", { token }], answer: [404, notFound] },
  { what: "another path", request: ["GET", "/api/nothing"], answer: [404, notFound] },
  { what: "another collection", request: ["GET", "/api/collections/posts/records"], answer: [404, notFound] },
  { what: "nothing at all", request: ["GET", "/api/"], answer: [404, notFound] },
  {
    what: "a message",
    request: ["GET", `/api/send_message?${new URLSearchParams(message)}`, { token }],
    answer: [200, '{"messageId":"UUID"}'],
  },
  {
    what: "a message with a model",
    request: ["GET", `/api/send_message?${new URLSearchParams({ ...message, model_type: "studio" })}`, { token }],
    answer: [200, '{"messageId":"UUID"}'],
  },
  {
    what: "a message with parameters that are repeated: the first counts",
    request: [
      "GET",
      `/api/send_message?${new URLSearchParams(message)}&prompt_guidance=x&strength=2&uuid=x`,
      { token },
    ],
    answer: [200, '{"messageId":"UUID"}'],
  },
  {
    what: "a message in JSON",
    request: ["POST", "/api/send_message", { token, body: { ...message, prompt_guidance: 7.5, strength: 1 } }],
    answer: [200, '{"messageId":"UUID"}'],
  },
  ...Object.keys(message).flatMap((name): Row[] => {
    const rest = Object.fromEntries(Object.entries(message).filter(([key]) => key !== name));
    return [
      {
        what: `a message without ${name}`,
        request: ["GET", `/api/send_message?${new URLSearchParams(rest)}`, { token }],
        answer: [400, missing],
      },
      {
        what: `a message without ${name} in JSON`,
        request: ["POST", "/api/send_message", { token, body: { ...rest, [name]: "" } }],
        answer: [400, missing],
      },
    ];
  }),
  { what: "a message of nothing", request: ["POST", "/api/send_message", { token }], answer: [400, missing] },
  { what: "a message of nobody", request: ["GET", "/api/send_message"], answer: [401, needsToken] },
  {
    what: "a message that is not ready",
    request: ["GET", `/api/get_image?message_id=${sent.messageId}`, { token }],
    answer: [202, "Message not ready yet"],
  },
  {
    what: "a message that is not ready, by JSON",
    request: ["POST", "/api/get_image", { token, body: { message_id: sent.messageId } }],
    answer: [202, "Message not ready yet"],
  },
  { what: "no message", request: ["GET", "/api/get_image", { token }], answer: [400, missing] },
  {
    what: "an unknown message",
    request: ["GET", "/api/get_image?message_id=1795314338-img-1", { token }],
    answer: [404, noRecord],
  },
  {
    what: "a picture of nobody",
    request: ["GET", `/api/get_image?message_id=${sent.messageId}`],
    answer: [401, needsToken],
  },
  {
    what: "signing up",
    request: [
      "POST",
      `${users}/records`,
      {
        body: {
          username: "bob",
          email: "b@example.com",
          password: "a longer secret",
          passwordConfirm: "a longer secret",
        },
      },
    ],
    answer: [200, open("").replace("USERNAME", "bob")],
  },
  {
    what: "signing up with names that are taken, and two passwords",
    request: [
      "POST",
      `${users}/records`,
      {
        body: {
          username: "Alice",
          email: "ALICE@example.com",
          password: "a longer secret",
          passwordConfirm: "another",
        },
      },
    ],
    answer: [
      400,
      refused(
        400,
        "Failed to create record.",
        '{"email":{"code":"validation_invalid_email","message":"The email is invalid or already in use."},"passwordConfirm":{"code":"validation_values_mismatch","message":"Values don\'t match."},"username":{"code":"validation_invalid_username","message":"The username is invalid or already in use."}}',
      ),
    ],
  },
  ...["short", "x".repeat(73)].map(
    (password): Row => ({
      what: `signing up with a password of ${password.length} characters`,
      request: ["POST", `${users}/records`, { body: { username: "carol", password, passwordConfirm: password } }],
      answer: [
        400,
        refused(
          400,
          "Failed to create record.",
          '{"password":{"code":"validation_length_out_of_range","message":"The length must be between 8 and 72."}}',
        ),
      ],
    }),
  ),
  ...["alice", "alice@example.com"].map(
    (identity): Row => ({
      what: `signing in as ${identity}`,
      request: ["POST", `${users}/auth-with-password`, { body: { identity, password: alice.password } }],
      answer: [200, `{"record":${own},"token":"TOKEN"}`],
    }),
  ),
  ...[
    { identity: "alice", password: "wrong" },
    { identity: "nobody", password: "wrong" },
    { identity: "alice", password: "x".repeat(73) },
    { identity: "x".repeat(255), password: "wrong" },
  ].map(
    (body): Row => ({
      what: `signing in as ${body.identity} by ${body.password}`,
      request: ["POST", `${users}/auth-with-password`, { body }],
      answer: [400, refused(400, "Failed to authenticate.")],
    }),
  ),
  {
    what: "signing in with nothing",
    request: ["POST", `${users}/auth-with-password`, { body: {} }],
    answer: [400, refused(400, "Failed to authenticate.", `{"identity":${blank},"password":${blank}}`)],
  },
  {
    what: "signing in with null",
    request: ["POST", `${users}/auth-with-password`, { body: { identity: null, password: null } }],
    answer: [400, refused(400, "Failed to authenticate.", `{"identity":${blank},"password":${blank}}`)],
  },
  {
    what: "signing in with names in other letters, of which the last counts, and one that is null does not",
    request: [
      "POST",
      `${users}/auth-with-password`,
      { body: { password: "wrong", Identity: "alice", PASSWORD: alice.password, Password: null } },
    ],
    answer: [200, `{"record":${own},"token":"TOKEN"}`],
  },
  {
    what: "signing up with names in other letters, which are others",
    request: [
      "POST",
      `${users}/records`,
      { body: { Username: "nobody", Password: "a longer secret", PasswordConfirm: "a longer secret" } },
    ],
    answer: [400, refused(400, "Failed to create record.", `{"password":${blank},"passwordConfirm":${blank}}`)],
  },
  {
    what: "setting a new password with names in other letters",
    request: ["POST", `${users}/confirm-password-reset`, { body: { Token: "x", PASSWORD: "a", passwordconfirm: "b" } }],
    answer: [
      400,
      refused(
        400,
        wentWrong,
        '{"passwordConfirm":{"code":"validation_values_mismatch","message":"Values don\'t match."}}',
      ),
    ],
  },
  {
    what: "signing up with fields that are null",
    request: [
      "POST",
      `${users}/records`,
      {
        body: {
          username: "nemo",
          email: null,
          name: null,
          password: "a longer secret",
          passwordConfirm: "a longer secret",
        },
      },
    ],
    answer: [200, open("").replace("USERNAME", "nemo")],
  },
  {
    what: "another token",
    request: ["POST", `${users}/auth-refresh`, { token }],
    answer: [200, `{"record":${own},"token":"TOKEN"}`],
  },
  { what: "another token for nobody", request: ["POST", `${users}/auth-refresh`], answer: [401, needsToken] },
  {
    what: "how to sign in",
    request: ["GET", `${users}/auth-methods`],
    answer: [200, '{"usernamePassword":true,"emailPassword":true,"authProviders":[]}'],
  },
  ...["_pb_users_auth_", "Users"].map(
    (name): Row => ({
      what: `how to sign in to the collection ${name}`,
      request: ["GET", `/api/collections/${name}/auth-methods`],
      answer: [200, '{"usernamePassword":true,"emailPassword":true,"authProviders":[]}'],
    }),
  ),
  {
    what: "all records",
    request: ["GET", `${users}/records`, { token }],
    answer: [200, `{"page":1,"perPage":30,"totalItems":1,"totalPages":1,"items":[${own}]}`],
  },
  {
    what: "a page of no number",
    request: ["GET", `${users}/records?page=&perPage=&filter=`, { token }],
    answer: [200, `{"page":1,"perPage":30,"totalItems":1,"totalPages":1,"items":[${own}]}`],
  },
  {
    what: "all records for nobody",
    request: ["GET", `${users}/records`],
    answer: [200, '{"page":1,"perPage":30,"totalItems":0,"totalPages":0,"items":[]}'],
  },
  { what: "one's own record", request: ["GET", `${users}/records/${alice.id}`, { token }], answer: [200, own] },
  ...["GET", "PATCH", "DELETE"].flatMap((method): Row[] => [
    {
      what: `${method} a record for nobody`,
      request: [method, `${users}/records/${alice.id}`],
      answer: [404, noRecord],
    },
    {
      what: `${method} somebody else's record`,
      request: [method, `${users}/records/aaaaaaaaaaaaaaa`, { token }],
      answer: [404, noRecord],
    },
  ]),
  {
    what: "a new password without the old one",
    request: [
      "PATCH",
      `${users}/records/${alice.id}`,
      { token, body: { password: "another secret", passwordConfirm: "another secret" } },
    ],
    answer: [400, refused(400, wentWrong, `{"oldPassword":${blank}}`)],
  },
  {
    what: "setting a new password with nothing",
    request: ["POST", `${users}/confirm-password-reset`, { body: {} }],
    answer: [400, refused(400, wentWrong, `{"password":${blank},"passwordConfirm":${blank},"token":${blank}}`)],
  },
  ...["alice@example.com", "nobody@example.com"].map(
    (email): Row => ({
      what: `a new password for ${email}`,
      request: ["POST", `${users}/request-password-reset`, { body: { email } }],
      answer: [204, ""],
    }),
  ),
];

describe("the recorded answer to", () => {
  test.each(rows)("$what", async ({ request, answer }) => {
    const { status, text } = await send(...request);
    expect([status, masked(text)]).toEqual(answer);
  });

  test("a poll has its type", async () => {
    const { type } = await send("GET", `/api/get_image?message_id=${sent.messageId}`, alice);
    expect(type).toBe("text/plain; charset=UTF-8");
  });
});

test("a new password ends every session", async () => {
  const user = await newUser("dora");
  const login = { identity: "dora", password: user.password };
  const other = parsed(await send("POST", `${users}/auth-with-password`, { body: login })).token;
  const password = "another longer secret";
  const change = { oldPassword: user.password, password, passwordConfirm: password };
  const changed = await send("PATCH", `${users}/records/${user.id}`, { token: user.token, body: change });
  expect(changed.status).toBe(200);
  for (const token of [user.token, other]) {
    expect(await send("GET", "/api/check_auth", { token })).toMatchObject({ status: 403, text: needsRecord });
    expect((await send("POST", `${users}/auth-refresh`, { token })).status).toBe(401);
  }
  const again = await send("POST", `${users}/auth-with-password`, { body: { identity: "dora", password } });
  expect(again.status).toBe(200);
});

test("check_auth tells a worker whose job it has, and a client its id", async () => {
  const queues = await openWorkerQueues(server.dataDir);
  const job = await queues.message(sent.messageId);
  expect(await send("GET", "/api/check_auth", { token: job.token })).toMatchObject({ text: '{"client_id":"alice"}' });
  const { credential: admin } = await signInAdmin(server);
  const { client, apiKey } = await server.auth.createClient({ client: { name: "a", scopes: ["auth:check"] } }, admin);
  const answer = { status: 200, text: `{"client_id":"${client?.id}"}` };
  expect(await send("GET", "/api/check_auth", { token: apiKey })).toMatchObject(answer);
  const { status, text } = await send("GET", `/api/get_image?message_id=${sent.messageId}`, { token: apiKey });
  expect([status, text]).toEqual([403, refused(403, "You are not allowed to perform this request.")]);
});

describe("a refusal of ours comes in the same envelope", () => {
  const fields = (text: string) => Object.keys((JSON.parse(text) as { data: object }).data);

  test.each([
    ["prompt_guidance", "seven"],
    ["prompt_guidance", "7,5"],
    ["prompt_guidance", "31"],
    ["prompt_guidance", "-1"],
    ["strength", "0x1"],
    ["strength", "NaN"],
    ["strength", "1.01"],
    ["model_type", "unknown"],
    ["prompt", "x".repeat(4001)],
  ])("for a message with %s=%s, which it names", async (name, value) => {
    const changed = { ...message, [name]: value };
    const long = value.length > 1000;
    const answers = [await send("POST", "/api/send_message", { token, body: changed })];
    if (!long) answers.push(await send("GET", `/api/send_message?${new URLSearchParams(changed)}`, { token }));
    for (const { status, text } of answers) {
      expect([status, fields(text)]).toEqual([400, [name]]);
      expect((JSON.parse(text) as { message: string }).message).toContain(name);
    }
  });

  test("for a picture that is not there, or somebody else's", async () => {
    const other = await signIn(server);
    for (const [who, picture] of [
      [token, crypto.randomUUID()],
      [token, "img-1"],
      [other.token, uuid],
    ] as const) {
      const body = { ...message, uuid: picture };
      const { status, text } = await send("POST", "/api/send_message", { token: who, body });
      expect([status, text]).toEqual([404, refused(404, "There is no such image.")]);
    }
  });

  test("for somebody else's message", async () => {
    const other = await signIn(server);
    const { status, text } = await send("GET", `/api/get_image?message_id=${sent.messageId}`, other);
    expect([status, text]).toEqual([404, noRecord]);
  });

  test("for a message that was cancelled, with the reason", async () => {
    const { messageId } = parsed(await send("POST", "/api/send_message", { token, body: message })) as unknown as {
      messageId: string;
    };
    await server.jobs.cancelImageJob({ jobId: messageId }, { headers: { authorization: `Bearer ${token}` } });
    const { status, text } = await send("GET", `/api/get_image?message_id=${messageId}`, { token });
    const reason = '{"message_id":{"code":"cancelled","message":"Cancelled by its owner."}}';
    expect([status, text]).toEqual([422, refused(422, "Cancelled by its owner.", reason)]);
  });

  test.each(["/api/%zz", `${users}/records/${"x".repeat(200)}`])("for a path that is none: %s", async (path) => {
    const { status, text } = await send("GET", path, { token });
    expect([status, text]).toEqual([404, notFound]);
  });

  test("for bodies that cannot be read", async () => {
    const post = (body: string, type: string) =>
      fetch(`${url}${users}/auth-with-password`, { method: "POST", headers: { "content-type": type }, body });
    for (const [body, type, status] of [
      ["{", "application/json", 400],
      ["[]", "application/json", 400],
      ['"x"', "application/json", 400],
      ["x", "text/plain", 415],
      [JSON.stringify({ identity: "x".repeat(70_000) }), "application/json", 413],
      ["x", "multipart/form-data", 400],
      ["--x\r\nContent-Dis", "multipart/form-data; boundary=x", 400],
    ] as const) {
      const response = await post(body, type);
      expect([body.slice(0, 5), response.status, await response.json()]).toMatchObject([
        body.slice(0, 5),
        status,
        { code: status, message: expect.stringMatching(/\.$/), data: expect.any(Object) },
      ]);
    }
  });

  test("for the last administrator's record", async () => {
    const login = { identity: "admin", password: adminPassword };
    const { record, token } = parsed(await send("POST", `${users}/auth-with-password`, { body: login }));
    const { status, text } = await send("DELETE", `${users}/records/${record.id}`, { token });
    expect([status, text]).toEqual([
      400,
      refused(400, "This is the last administrator who can sign in: make another one first."),
    ]);
  });
});
