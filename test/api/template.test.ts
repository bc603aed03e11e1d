import { randomBytes } from "node:crypto";
import { readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { State } from "../../src/client/index.ts";
import { runningClock } from "../contracts/movable-clock.ts";
import { recordingLog } from "../support/log.ts";
import { paddedPng, pngBomb, smallPicture } from "../support/pictures.ts";
import { refusal } from "../support/refusals.ts";
import { serve, signIn, signInAdmin } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";
import { requestHttp2 } from "../support/wire.ts";

const maxBytes = 20 * 1024 * 1024;
const day = 24 * 60 * 60 * 1000;
const done = { message: "File processing has started." };
const text = Uint8Array.from(Buffer.from("only notes"));
const uuid = "696dda89-d395-4601-af3d-e1c66de3df1a";

const log = recordingLog();
const server = await shareServer({}, { log });
const { url } = server;
const [owner, stranger] = [await signIn(server), await signIn(server)];

interface Sending {
  readonly to?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: string;
}

const asOwner = { authorization: `Bearer ${owner.token}` };

function formOf(name: string, bytes: Uint8Array<ArrayBuffer> = text, field = "uploadFile"): FormData {
  const form = new FormData();
  form.set(field, new Blob([bytes]), name);
  return form;
}

function post(body: FormData | string, { to = url, headers = asOwner, query = "" }: Sending = {}): Promise<Response> {
  return fetch(`${to}/upload${query}`, { method: "POST", body, headers: { ...headers } });
}

async function answerOf(response: Response | Promise<Response>): Promise<[number, unknown]> {
  const { status, headers } = await response;
  expect(headers.get("content-type")).toMatch(/^application\/json/);
  return [status, await (await response).json()];
}

const upload = async (name: string, bytes?: Uint8Array<ArrayBuffer>, sending?: Sending) => {
  const response = await post(formOf(name, bytes), sending);
  expect(await answerOf(response)).toEqual([200, done]);
  return response.headers.get("location") ?? "";
};
const fetched = (path: string, who = owner) => fetch(url + path, { headers: { authorization: `Bearer ${who.token}` } });
const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());
const detail = (status: number, what: unknown) => [status, { detail: what }];
const textForFile = detail(422, [
  {
    loc: ["body", "uploadFile"],
    msg: "Value error, Expected UploadFile, received: <class 'str'>",
    type: "value_error",
  },
]);
const exists = (name: string) => detail(403, `File ${name} already exists in storage.`);

/** Files with bytes in them, and parts of such. */
function blobsIn(dataDir: string): string[] {
  const entries = readdirSync(join(dataDir, "pictures"), { recursive: true }).map(String);
  return entries.filter((entry) => /[\da-f-]{36}/.test(entry));
}

/** The form's bytes as one body, over HTTP/2. */
async function postHttp2(body: FormData, token = owner.token) {
  const whole = new Response(body);
  const type = whole.headers.get("content-type") ?? "";
  const headers = { ":path": "/upload", ":method": "POST", "content-type": type, authorization: `Bearer ${token}` };
  const answer = await requestHttp2(url, headers, new Uint8Array(await whole.arrayBuffer()));
  return { ...answer, json: JSON.parse(answer.body.toString()) };
}

test("GET /upload/healthz is open", async () => {
  expect(await answerOf(fetch(`${url}/upload/healthz`))).toEqual([200, { status: "ok" }]);
});

describe("who may upload", () => {
  test.each([
    ["no header", {}, 403, "Authentication credentials missing"],
    ["an empty header", { authorization: "" }, 403, "Authentication credentials missing"],
    ["no token", { authorization: "Bearer" }, 403, "Authentication credentials missing"],
    ["another scheme", { authorization: "Basic YTpi" }, 401, "Token must be Bearer"],
    ["no scheme", { authorization: owner.token }, 401, "Token must be Bearer"],
    ["nonsense", { authorization: "Bearer nonsense" }, 401, "Invalid token or api key."],
    ["two tokens", { authorization: "Bearer a b" }, 401, "Invalid token or api key."],
    ["a key that is none", { "x-api-key": "dk_no" }, 401, "Invalid token or api key."],
  ])("%s", async (_what, headers, status, what) => {
    const response = await post(formOf("refused.txt"), { headers: headers as Record<string, string> });
    expect(response.headers.get("www-authenticate")).toMatch(/^Bearer /);
    expect(await answerOf(response)).toEqual(detail(status, what));
  });

  test("not who signed out, and no client", async () => {
    const gone = await signIn(server);
    await server.auth.logout({}, gone.credential);
    const headers = { authorization: `Bearer ${gone.token}` };
    expect(await answerOf(post(formOf("a"), { headers }))).toEqual(detail(401, "Invalid token or api key."));
    const { credential: admin } = await signInAdmin(server);
    const scopes = ["images:write", "admin"];
    const { apiKey } = await server.auth.createClient({ client: { name: "a", scopes } }, admin);
    const refused = await answerOf(post(formOf("a"), { headers: { "x-api-key": apiKey } }));
    expect(refused).toEqual(detail(403, "this credential may not make this call"));
  });

  test("the test user, where authentication is off", async () => {
    const open = await serve({ AUTHENTICATE: "false" }, { worker: false });
    const location = await upload("notes.txt", text, { to: open.url, headers: {} });
    expect(await bytesOf(await fetch(open.url + location))).toEqual(Buffer.from(text));
    expect(await answerOf(post(formOf("notes.txt"), { to: open.url, headers: { authorization: "Basic x" } }))).toEqual(
      exists("notes.txt"),
    );
  });
});

describe("what a request must have", () => {
  const missing = detail(422, [{ loc: ["body", "uploadFile"], msg: "Field required", type: "missing" }]);

  test.each([
    ["no body", ""],
    ["JSON", '{"uploadFile": "a"}'],
    ["malformed JSON", "{"],
    ["a picture by itself", "\x89PNG"],
  ])("%s has no file", async (what, body) => {
    const type = what.includes("JSON") ? "application/json" : "image/png";
    expect(await answerOf(post(body, { headers: { ...asOwner, "content-type": type } }))).toEqual(missing);
  });

  test("a chat's id and a file, and all that is wrong is told at once", async () => {
    const noFile = { loc: ["body", "uploadFile"], msg: "Field required", type: "missing" };
    const noId = { loc: ["query", "chat_id"], msg: "Input should be a valid UUID", type: "uuid_parsing" };
    expect(await answerOf(post("", { query: "?chat_id=abc" }))).toEqual(detail(422, [noId, noFile]));
    expect(await answerOf(post(formOf("a.txt", text, "file"), { query: "?chat_id=abc" }))).toEqual(
      detail(422, [noId, noFile]),
    );
    expect(await answerOf(post(formOf("a.txt"), { query: "?chat_id=abc" }))).toEqual(detail(422, [noId]));
  });

  test("a file in another field is none", async () => {
    expect(await answerOf(post(formOf("a.txt", text, "file")))).toEqual(missing);
    const form = new FormData();
    form.set("title", "a");
    expect(await answerOf(post(form))).toEqual(missing);
  });

  test("a text is no file", async () => {
    const form = new FormData();
    form.set("uploadFile", "a");
    expect(await answerOf(post(form))).toEqual(textForFile);
  });

  const hex = uuid.replaceAll("-", "");
  const none = ["nonsense", "", `${uuid}0`, `${hex}0`, `{${uuid}`, `{urn:uuid:${uuid}}`, `${uuid}&chat_id=`];

  test.each(none)("chat_id is a UUID: %j", async (chatId) => {
    const broken = { loc: ["query", "chat_id"], msg: "Input should be a valid UUID", type: "uuid_parsing" };
    expect(await answerOf(post(formOf("b.txt"), { query: `?chat_id=${chatId}` }))).toEqual(detail(422, [broken]));
  });

  test.each([uuid, uuid.toUpperCase(), hex, `{${uuid}}`, `{${hex}}`, `urn:uuid:${uuid}`, `none&chat_id=${uuid}`])(
    "chat_id is kept in its usual form: %s",
    async (chatId) => {
      const id = (await upload(`of ${chatId}.txt`, text, { query: `?chat_id=${chatId}` })).split("/").at(-1) ?? "";
      const db = new DatabaseSync(join(server.dataDir, "darkroom.db"), { readOnly: true });
      onTestFinished(() => db.close());
      const stored = db.prepare("SELECT doc FROM files WHERE id = ?").get(id);
      expect(JSON.parse(String(stored?.doc))).toMatchObject({ chatId: uuid });
    },
  );

  test.each([
    ["", "must not be empty"],
    [" ", "must not be empty"],
    ["a".repeat(256), "must have at most 255 bytes"],
    [`${"é".repeat(127)}ab`, "must have at most 255 bytes"],
    ["\uFFFD.txt", "must be valid UTF-8"],
  ])("a name: not %j", async (name, msg) => {
    const broken = { loc: ["body", "uploadFile"], msg, type: "value_error" };
    expect(await answerOf(post(formOf(name)))).toEqual(detail(422, [broken]));
  });

  test.each(["a".repeat(255), `${"é".repeat(127)}a`])("a name of 255 bytes will do", async (name) => {
    await upload(name);
  });

  test("a form that is none", async () => {
    const type = "multipart/form-data; boundary=x";
    const [status, body] = await answerOf(post("--x\r\nnonsense", { headers: { ...asOwner, "content-type": type } }));
    expect([status, body]).toEqual(detail(400, "the multipart form cannot be read"));
  });

  test("a form of one file and eight fields", async () => {
    const form = new FormData();
    for (let index = 1; index <= 8; index += 1) form.set(`field-${index}`, "a");
    form.set("uploadFile", new Blob([text]), "eight.txt");
    expect(await answerOf(post(form))).toEqual([200, done]);
    const another = new FormData();
    for (let index = 1; index <= 9; index += 1) another.set(`field-${index}`, "a");
    expect(await answerOf(post(another))).toEqual(detail(400, "the multipart form cannot be read"));
    const files = formOf("eight-more.txt");
    for (let index = 1; index <= 8; index += 1) files.set(`file-${index}`, new Blob([text]), "a.txt");
    expect(await answerOf(post(files))).toEqual(detail(400, "the multipart form cannot be read"));
    await upload("eight-more.txt");
  });

  test("one file of the name, whatever its size, and nothing is kept of a form with more", async () => {
    const before = blobsIn(server.dataDir).length;
    const large = Uint8Array.from(randomBytes(300_000));
    for (const [first, second] of [
      [text, text],
      [large, text],
      [await smallPicture(), large],
    ] as const) {
      const form = formOf("first.txt", first);
      form.append("between", "a");
      form.append("uploadFile", new Blob([second]), "second.txt");
      expect(await answerOf(post(form))).toEqual(detail(400, "the form has more than one file of the name uploadFile"));
      expect(await postHttp2(form)).toMatchObject({ status: 400 });
    }
    expect(blobsIn(server.dataDir)).toHaveLength(before);
    for (const name of ["first.txt", "second.txt"]) await upload(name);
  });
});

describe("a file", () => {
  test.each([
    ["a text", "notes.txt", text],
    ["nothing", "empty.bin", new Uint8Array()],
    ["one byte", "one.bin", Uint8Array.of(0xff)],
    ["a page with a script", "page.html", Uint8Array.from(Buffer.from("<script>alert(1)</script>"))],
    ["a PNG's first bytes alone", "cut.png", Uint8Array.from(Buffer.from("\x89PNG\r\n\x1a\n", "latin1"))],
    ["a PNG with more pixels than a picture may have", "bomb.png", pngBomb(30_000, 30_000)],
  ])("of any type is its owner's to fetch, as one to be saved: %s", async (_what, name, bytes) => {
    const location = await upload(name, bytes);
    expect(location).toMatch(/^\/download\/[\da-f-]{36}$/);
    const response = await fetched(location);
    expect([response.status, await bytesOf(response)]).toEqual([200, Buffer.from(bytes)]);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "application/octet-stream",
      "content-length": String(bytes.length),
      "content-disposition": `attachment; filename="${name}"; filename*=UTF-8''${name}`,
      "content-security-policy": "default-src 'none'; sandbox",
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
    });
  });

  test("does not exist for anybody else, exactly as one that never did", async () => {
    const location = await upload("mine.txt");
    const [theirs, none] = await Promise.all([location, `/download/${uuid}`].map((path) => fetched(path, stranger)));
    const body = async (response: Response | undefined) => ({
      ...((await response?.json()) as object),
      request_id: "",
    });
    expect([theirs?.status, await body(theirs)]).toEqual([404, await body(none)]);
    expect((await fetch(url + location)).status).toBe(401);
    const imageId = location.replace("/download/", "");
    expect(await refusal(server.jobs.submitImageJob({ imageId, prompt: "sepia" }, owner.credential))).toMatchObject({
      reason: "IMAGE_NOT_FOUND",
    });
  });

  test("keeps its name for its owner, who has it once", async () => {
    await upload("report.pdf");
    for (const bytes of [text, await smallPicture()])
      expect(await answerOf(post(formOf("report.pdf", bytes)))).toEqual(exists("report.pdf"));
    for (const other of ["Report.pdf", "report.pdf ", "a/report.pdf"]) await upload(other);
    await upload("report.pdf", text, { headers: { authorization: `Bearer ${stranger.token}` } });
  });

  test.each([
    ["../../etc/passwd", "__.._etc_passwd", "__.._etc_passwd"],
    ["C:\\boot.ini", "C__boot.ini", "C%3A_boot.ini"],
    ["Grüße 日本.txt", "Gr__e __.txt", "Gr%C3%BC%C3%9Fe%20%E6%97%A5%E6%9C%AC.txt"],
    ["it's (1)*;.txt", "it_s _1___.txt", "it%27s%20%281%29%2a%3B.txt"],
    ["100%25.txt", "100_25.txt", "100%2525.txt"],
    [".htaccess", "_htaccess", "_htaccess"],
    ["line\u2028\u0085end", "line__end", "line%E2%80%A8_end"],
  ])("has a name that is data: %s", async (name, plain, encoded) => {
    const location = await upload(name);
    expect(await answerOf(post(formOf(name)))).toEqual(exists(name));
    const disposition = (await fetched(location)).headers.get("content-disposition");
    expect(disposition).toBe(`attachment; filename="${plain}"; filename*=UTF-8''${encoded}`);
    expect(JSON.stringify(log.lines)).not.toContain(JSON.stringify(name).slice(1, -1));
  });

  test("has at most 20 MiB, and nothing is kept of a larger one", async () => {
    const largest = Uint8Array.from(randomBytes(maxBytes));
    const location = await upload("largest.bin", largest);
    expect((await bytesOf(await fetched(location))).equals(largest)).toBe(true);
    const before = blobsIn(server.dataDir).length;
    const larger = formOf("larger.bin", new Uint8Array(maxBytes + 1));
    expect(await answerOf(post(larger))).toEqual(detail(413, "the file has more than 20971520 bytes (20 MiB)"));
    expect(blobsIn(server.dataDir)).toHaveLength(before);
    await upload("larger.bin");
  });

  test("comes over HTTP/2 as well", async () => {
    const bytes = Uint8Array.from(randomBytes(300_000));
    const { status, headers, json } = await postHttp2(formOf("http2.bin", bytes));
    expect([status, json]).toEqual([200, done]);
    expect(await bytesOf(await fetched(String(headers.location)))).toEqual(Buffer.from(bytes));
    expect((await postHttp2(formOf("http2.bin"))).json).toEqual(exists("http2.bin")[1]);
    expect(await postHttp2(formOf("other"), "nonsense")).toMatchObject({ status: 401 });
    expect(await postHttp2(formOf("huge", new Uint8Array(maxBytes + 1)))).toMatchObject({ status: 413 });
  });

  test("is one of the form's parts, and those of other names are not looked at", async () => {
    const form = new FormData();
    const other = new Blob([randomBytes(300_000)]);
    form.set("title", "a report");
    form.set("cover", other, "cover.bin");
    form.set("uploadFile", new Blob([text]), "titled.txt");
    form.set("more", "b");
    form.set("annex", other, "annex.bin");
    const response = await post(form, { query: `?chat_id=${uuid}` });
    expect(await answerOf(response)).toEqual([200, done]);
    expect(await bytesOf(await fetched(response.headers.get("location") ?? ""))).toEqual(Buffer.from(text));
  });

  test("counts where a text of its name came before, and not where one comes after", async () => {
    const before = blobsIn(server.dataDir).length;
    const form = formOf("before.txt");
    form.append("uploadFile", "a");
    expect(await answerOf(post(form))).toEqual(textForFile);
    expect(blobsIn(server.dataDir)).toHaveLength(before);
    const other = new FormData();
    other.append("uploadFile", "a");
    other.append("uploadFile", new Blob([text]), "before.txt");
    expect(await answerOf(post(other))).toEqual([200, done]);
  });
});

describe("a picture", () => {
  test.each(["jpeg", "png", "webp"] as const)("becomes an input for jobs: %s", async (format) => {
    const bytes = await smallPicture(format);
    const location = await upload(`picture.${format}`, bytes, { query: `?chat_id=${uuid}` });
    const response = await fetched(location);
    expect(response.headers.get("content-type")).toBe(`image/${format}`);
    expect(await bytesOf(response)).toEqual(Buffer.from(bytes));
    const imageId = location.replace("/download/", "");
    const { job } = await server.jobs.submitImageJob({ imageId, prompt: "sepia" }, owner.credential);
    const wait = { seconds: 60n };
    const ended = await server.jobs.pollImageJob({ jobId: job?.id ?? "", wait }, owner.credential);
    expect(ended.job?.state).toBe(State.SUCCEEDED);
    expect(await answerOf(post(formOf(`picture.${format}`)))).toEqual(exists(`picture.${format}`));
    expect((await fetched(location, stranger)).status).toBe(404);
  });

  test("has its bytes once, up to the last that a picture may have", async () => {
    const before = blobsIn(server.dataDir).length;
    const largest = await paddedPng(maxBytes);
    const location = await upload("largest.png", largest);
    expect((await fetched(location)).headers.get("content-type")).toBe("image/png");
    expect(blobsIn(server.dataDir)).toHaveLength(before + 1);
  });
});

describe("two uploads of the same name at once", () => {
  test("one gets it, and nothing is left of the others", async () => {
    const there = await serve({}, { worker: false, dataDir: server.dataDir });
    for (const [name, bytes] of [
      ["race.bin", Uint8Array.from(randomBytes(500_000))],
      ["race.png", await smallPicture()],
    ] as const) {
      const before = blobsIn(server.dataDir).length;
      const all = Array.from({ length: 8 }, (_, index) =>
        post(formOf(name, bytes), { to: index % 2 === 0 ? url : there.url }),
      );
      const answers = await Promise.all(all.map(answerOf));
      expect(answers.filter(([status]) => status === 200)).toEqual([[200, done]]);
      expect(answers.filter(([status]) => status !== 200)).toEqual(Array(7).fill(exists(name)));
      expect(blobsIn(server.dataDir)).toHaveLength(before + 1);
    }
  });

  test("the first that is whole gets it, and not the first that began", async () => {
    const slow = await begun("slow.txt");
    await upload("slow.txt");
    expect(await slow.finish()).toMatch(
      /^HTTP\/1.1 403 [\s\S]*\{"detail":"File slow.txt already exists in storage."\}/,
    );
  });
});

/** An upload whose first bytes are stored. */
async function begun(name: string, http = server) {
  const known = new Set(blobsIn(http.dataDir));
  const head = `--x\r\nContent-Disposition: form-data; name="uploadFile"; filename="${name}"\r\n\r\n`;
  const [first, last] = ["a".repeat(200_000), "b\r\n--x--\r\n"];
  const { hostname, port } = new URL(http.url);
  const socket = connectTcp(Number(port), hostname);
  const answer: Buffer[] = [];
  socket.on("data", (piece: Buffer) => answer.push(piece)).on("error", () => {});
  const closed = new Promise((resolve) => socket.once("close", resolve));
  const length = head.length + first.length + last.length;
  const lines = [`POST /upload HTTP/1.1`, `Host: ${hostname}`, `Authorization: Bearer ${owner.token}`];
  const more = ["Content-Type: multipart/form-data; boundary=x", `Content-Length: ${length}`, "Connection: close"];
  socket.write(`${[...lines, ...more].join("\r\n")}\r\n\r\n${head}${first}`);
  await vi.waitFor(() => expect(blobsIn(http.dataDir).some((blob) => !known.has(blob))).toBe(true));
  return {
    leave: () => void socket.resetAndDestroy(),
    async finish() {
      socket.write(last);
      await closed;
      return Buffer.concat(answer).toString();
    },
  };
}

describe("what cannot be stored", () => {
  test("leaves nothing when its sender goes away half-way", async () => {
    const before = blobsIn(server.dataDir);
    const left = await begun("left.txt");
    left.leave();
    await vi.waitFor(() => expect(blobsIn(server.dataDir)).toEqual(before));
    await upload("left.txt");
  });

  test("leaves nothing when its sender cuts a stream of HTTP/2", async () => {
    const before = blobsIn(server.dataDir);
    const session = connectHttp2(url);
    const type = "multipart/form-data; boundary=x";
    const stream = session.request({ ":path": "/upload", ":method": "POST", "content-type": type, ...asOwner });
    stream.on("error", () => {});
    const head = '--x\r\nContent-Disposition: form-data; name="uploadFile"; filename="cut.txt"\r\n\r\n';
    stream.write(head + "a".repeat(200_000));
    await vi.waitFor(() => expect(blobsIn(server.dataDir)).not.toEqual(before));
    stream.close(8);
    await vi.waitFor(() => expect(blobsIn(server.dataDir)).toEqual(before));
    session.destroy();
    await upload("cut.txt");
  });

  test("is 500 when the disk will not have it, and may be sent again", async () => {
    const broken = await serve({}, { worker: false });
    const { token } = await signIn(broken);
    const sending = { to: broken.url, headers: { authorization: `Bearer ${token}` } };
    await upload("before.txt", text, sending);
    const pictures = join(broken.dataDir, "pictures");
    renameSync(pictures, `${pictures}-away`);
    writeFileSync(pictures, "a file where the folder was");
    for (const bytes of [text, await smallPicture()])
      expect(await answerOf(post(formOf("after.txt", bytes), sending))).toEqual(
        detail(500, "Failed to upload file to storage."),
      );
    rmSync(pictures);
    renameSync(`${pictures}-away`, pictures);
    expect(blobsIn(broken.dataDir)).toHaveLength(1);
    await upload("after.txt", text, sending);
    expect(await answerOf(post(formOf("before.txt"), sending))).toEqual(exists("before.txt"));
  });
});

describe("what is kept", () => {
  test("goes with its owner's account", async () => {
    const { dataDir, auth, url: to } = server;
    const before = blobsIn(dataDir);
    const user = await signIn(server);
    const sending = { to, headers: { authorization: `Bearer ${user.token}` } };
    await upload("notes.txt", text, sending);
    await upload("picture.png", await smallPicture(), sending);
    expect(blobsIn(dataDir)).toHaveLength(before.length + 2);
    await auth.deleteProfile({ password: user.password }, user.credential);
    expect(blobsIn(dataDir)).toEqual(before);
  });

  test("is gone after seven days, and its name is free", async () => {
    const clock = runningClock();
    const aging = await serve({}, { worker: false, clock });
    const who = await signIn(aging);
    const location = await upload("a.txt", text, {
      to: aging.url,
      headers: { authorization: `Bearer ${who.token}` },
    });
    clock.advance(7 * day);
    const login = await aging.auth.login({ identity: who.username, password: who.password });
    const headers = { authorization: `Bearer ${login.tokens?.accessToken}` };
    expect((await fetch(aging.url + location, { headers })).status).toBe(404);
  });
});

test("requests are counted, and refused over the day's quota", async () => {
  const limited = await serve({ DARKROOM_DAILY_REQUESTS: "2" }, { worker: false });
  const { token, credential } = await signIn(limited);
  const sending = { to: limited.url, headers: { authorization: `Bearer ${token}` } };
  await upload("a.txt", text, sending);
  expect((await post(formOf("a.txt"), sending)).status).toBe(403);
  const refused = await post(formOf("b.txt"), sending);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  const spent = "the day's 2 requests are used up: there are as many again from midnight on, UTC";
  expect(await answerOf(refused)).toEqual(detail(429, spent));
  expect((await limited.jobs.getUsage({}, credential)).days).toMatchObject([{ requestCount: 2 }]);
});
