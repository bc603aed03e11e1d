import { describe, expect, test } from "vitest";
import { bearer, connect } from "../../src/client/index.ts";
import { noisyPicture, paddedPng, smallPicture } from "../support/pictures.ts";
import { drain, refusal, refusalOf } from "../support/refusals.ts";
import { signIn } from "../support/server.ts";
import { shareServer } from "../support/shared-server.ts";

const server = await shareServer({}, { worker: false });
const { jobs } = server;
const [owner, stranger] = [await signIn(server), await signIn(server)];
const formats = ["jpeg", "png", "webp"] as const;
const maxBytes = 20 * 1024 * 1024;

const asUser = ({ token }: { token: string }) => ({ authorization: `Bearer ${token}` });
const upload = async (data: Uint8Array) => (await jobs.uploadImage({ data }, owner.credential)).image;
const post = (body: Uint8Array<ArrayBuffer> | FormData | ReadableStream, type?: string) =>
  fetch(`${server.url}/images`, {
    method: "POST",
    body,
    duplex: "half",
    headers: { ...asUser(owner), ...(type === undefined ? {} : { "content-type": type }) },
  });
const uuidOf = async (response: Response) => ((await response.json()) as { uuid: string }).uuid;
const download = (id: string, who = owner) => fetch(`${server.url}/download/${id}`, { headers: asUser(who) });
const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());
const days = (time: { seconds: bigint } | undefined) => (Number(time?.seconds) - Date.now() / 1000) / 86_400;

describe.each(formats)("a picture as %s", (format) => {
  test("is described by its bytes", async () => {
    const data = await smallPicture(format);
    const image = await upload(data);
    const described = { contentType: `image/${format}`, width: 24, height: 16, sizeBytes: BigInt(data.length) };
    expect(image).toMatchObject(described);
    expect(days(image?.expireTime)).toBeCloseTo(7, 2);
  });

  test("comes back with the same bytes, whichever way it came", async () => {
    const data = await smallPicture(format);
    const form = new FormData();
    form.set("uploadFile", new Blob([data], { type: "text/plain" }), "notes.txt");
    const ids = [
      (await upload(data))?.id ?? "",
      await uuidOf(await post(data, `image/${format}`)),
      await uuidOf(await post(data, "application/octet-stream")),
      await uuidOf(await post(new Blob([data]).stream(), `image/${format}`)),
      await uuidOf(await post(form)),
    ];
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) {
      const response = await download(id);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe(`image/${format}`);
      expect((await bytesOf(response)).equals(data)).toBe(true);
      const messages = await drain(jobs.getImage({ imageId: id }, owner.credential));
      expect(Buffer.concat(messages.map((message) => message.data)).equals(data)).toBe(true);
    }
  });
});

describe("POST /images", () => {
  test("answers 201 with the id and where it is", async () => {
    const response = await post(await smallPicture(), "image/png");
    const uuid = await uuidOf(response);
    expect(response.status).toBe(201);
    expect(response.headers.get("location")).toBe(`/download/${uuid}`);
    expect(uuid).toMatch(/^[\w-]{1,64}$/);
  });

  test("believes the bytes, not the header", async () => {
    const id = await uuidOf(await post(await smallPicture("png"), "image/jpeg"));
    const [first] = await drain(jobs.getImage({ imageId: id }, owner.credential));
    expect(first?.image?.contentType).toBe("image/png");
    expect((await download(id)).headers.get("content-type")).toBe("image/png");
  });

  test("takes a file after other fields of the form", async () => {
    const form = new FormData();
    form.set("title", "a picture");
    form.set("file", new Blob([await smallPicture("jpeg")]), "../../etc/passwd");
    expect((await post(form)).status).toBe(201);
  });

  test.each([
    ["text/plain", 240_000],
    ["application/json", 240_000],
    ["application/json", 10],
    ["application/x-www-form-urlencoded", 240_000],
    ["image/gif", 10],
    ["x", 10],
    ["", 10],
  ])("says which types it takes to a body of another: %j, %i bytes", async (type, size) => {
    const response = await post(new Uint8Array(size), type);
    expect(response.headers.get("content-type")).toMatch(/^application\/problem\+json/);
    expect(await refusalOf(response)).toMatchObject({
      status: 415,
      reason: "BODY_TYPE_UNSUPPORTED",
      message:
        "the body's type must be one of: image/jpeg, image/png, image/webp, application/octet-stream, multipart/form-data",
    });
  });

  test("refuses a body of another type before it has come", async () => {
    const endless = new ReadableStream({ start: (body) => body.enqueue(new Uint8Array(10)) });
    expect((await post(endless, "text/plain")).status).toBe(415);
  });

  test("asks for a credential", async () => {
    const response = await fetch(`${server.url}/images`, {
      method: "POST",
      body: await smallPicture(),
      headers: { "content-type": "image/png" },
    });
    expect(response.status).toBe(401);
  });
});

describe("GET /download", () => {
  test("lets no browser run or share what it gives", async () => {
    const data = await smallPicture("webp");
    const image = await upload(data);
    const { headers } = await download(image?.id ?? "");
    expect(Object.fromEntries(headers)).toMatchObject({
      "content-type": "image/webp",
      "content-length": String(data.length),
      "x-content-type-options": "nosniff",
      "content-security-policy": expect.stringContaining("default-src 'none'"),
      "content-disposition": expect.stringMatching(/^inline; filename="[\w-]+\.webp"$/),
      "cache-control": "no-store",
    });
  });

  test("asks for a credential", async () => {
    const image = await upload(await smallPicture());
    expect((await fetch(`${server.url}/download/${image?.id}`)).status).toBe(401);
  });
});

describe("GetImage", () => {
  test("gives the description first, then pieces of at most 64 KiB", async () => {
    const data = await noisyPicture(300);
    const image = await upload(data);
    const messages = await drain(jobs.getImage({ imageId: image?.id ?? "" }, owner.credential));
    expect(messages.length).toBeGreaterThanOrEqual(Math.ceil(data.length / 65_536));
    expect(messages[0]?.image).toEqual(image);
    for (const [index, message] of messages.entries()) {
      expect(message.image === undefined).toBe(index > 0);
      expect(message.data.length).toBeGreaterThan(0);
      expect(message.data.length).toBeLessThanOrEqual(65_536);
    }
    expect(Buffer.concat(messages.map((message) => message.data)).equals(data)).toBe(true);
  });

  test("can be left before its end", async () => {
    const image = await upload(await noisyPicture(600));
    const leaving = new AbortController();
    const left = (async () => {
      for await (const message of jobs.getImage({ imageId: image?.id ?? "" }, bearer(owner.token, leaving.signal))) {
        expect(message.image).toEqual(image);
        leaving.abort();
      }
    })();
    expect(await refusal(left)).toMatchObject({ code: "Canceled" });
    expect((await download(image?.id ?? "")).status).toBe(200);
  });
});

describe("the largest picture", () => {
  test("has 20 MiB, by RPC as by HTTP", async () => {
    const data = await paddedPng(maxBytes);
    const image = await upload(data);
    expect(image?.sizeBytes).toBe(BigInt(maxBytes));
    const id = await uuidOf(await post(data, "image/png"));
    expect((await bytesOf(await download(id))).equals(data)).toBe(true);
  });
});

describe("a large upload that is refused", () => {
  test("says why, and the connection lives on", async () => {
    const fresh = connect(server.url);
    const data = await paddedPng(9 * 1024 * 1024);
    for (let count = 0; count < 3; count += 1) {
      const refused = await refusal(fresh.jobs.uploadImage({ data }, bearer("garbage")));
      expect(refused).toMatchObject({ code: "Unauthenticated", reason: "CREDENTIAL_INVALID" });
    }
    const { principal } = await fresh.auth.checkAuth({}, owner.credential);
    expect(principal?.account).toEqual(owner.account);
  });
});

describe("somebody else's picture", () => {
  const withoutIds = (text: string, ...ids: string[]) => ids.reduce((left, id) => left.replaceAll(id, "ID"), text);

  test("does not exist, exactly as one that never did", async () => {
    const image = await upload(await smallPicture());
    const [theirs, none] = [image?.id ?? "", "00000000-0000-4000-8000-000000000000"];

    const [foreign, unknown] = [
      await refusal(jobs.getImage({ imageId: theirs }, stranger.credential)),
      await refusal(jobs.getImage({ imageId: none }, stranger.credential)),
    ];
    expect(foreign).toMatchObject({ code: "NotFound", reason: "IMAGE_NOT_FOUND" });
    expect({ ...foreign, metadata: null }).toEqual({ ...unknown, metadata: null });

    const [response, other] = [await download(theirs, stranger), await download(none, stranger)];
    const [body, otherBody] = [await response.text(), await other.text()];
    const requestIds = [response, other].map(({ headers }) => headers.get("x-request-id") ?? "");
    expect([response.status, other.status]).toEqual([404, 404]);
    expect(withoutIds(body, ...requestIds)).toBe(withoutIds(otherBody, ...requestIds));

    const submitted = await refusal(jobs.submitImageJob({ imageId: theirs, prompt: "sepia" }, stranger.credential));
    expect(submitted).toMatchObject({ code: "NotFound", reason: "IMAGE_NOT_FOUND" });
  });

  test("is the owner's in every session", async () => {
    const image = await upload(await smallPicture());
    const again = await server.auth.login({ identity: owner.username, password: owner.password });
    const mine = await drain(jobs.getImage({ imageId: image?.id ?? "" }, bearer(again.tokens?.accessToken ?? "")));
    expect(mine).toHaveLength(1);
  });
});
