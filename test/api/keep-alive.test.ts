import { once } from "node:events";
import { Agent, request } from "node:http";
import { connect } from "node:http2";
import { expect, test } from "vitest";
import { serve, signIn } from "../support/server.ts";

const MiB = 1024 * 1024;
const text = (size: number) => Buffer.alloc(size, "a text, not a picture. ");

/** A multipart form with one file. */
function form(file: Buffer): { type: string; body: Buffer } {
  const head = '--edge\r\ncontent-disposition: form-data; name="file"; filename="a.png"\r\n\r\n';
  return {
    type: "multipart/form-data; boundary=edge",
    body: Buffer.concat([Buffer.from(head), file, Buffer.from("\r\n--edge--\r\n")]),
  };
}

test("a connection serves the next call, whatever was refused on it and however much of it was unread", async () => {
  const server = await serve({}, { worker: false });
  const { token } = await signIn(server);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const authorization = `Bearer ${token}`;
  /** Sends the second half only when the answer has come. */
  const call = (path: string, headers: Record<string, string>, body: Buffer) =>
    new Promise<number | undefined>((resolve, reject) => {
      const half = Math.ceil(body.length / 2);
      const sent = request(server.url + path, { method: "POST", agent, headers }, (response) => {
        if (!sent.writableEnded) sent.end(body.subarray(half));
        response.resume().once("end", () => resolve(response.statusCode));
      });
      sent.once("error", reject);
      const isRefusedEarly = body.length > 200_000;
      if (isRefusedEarly) sent.write(body.subarray(0, half));
      else sent.end(body);
    });
  const upload = "/darkroom.imagejob.v1.ImageJobService/UploadImage";

  const refusals: [string, Record<string, string>, Buffer, number][] = [];
  for (const size of [10, 5000, 300_000, 2 * MiB]) {
    const { type, body } = form(text(size));
    refusals.push(["/images", { authorization, "content-type": type }, body, 400]);
    refusals.push(["/images", { authorization, "content-type": "image/png" }, text(size), 400]);
    refusals.push(["/images", { "content-type": "image/png" }, text(size), 401]);
    refusals.push(["/upload", { "content-type": type }, body, 403]);
    refusals.push(["/upload", { authorization, "content-type": "application/json" }, text(size), 422]);
    refusals.push([upload, { "content-type": "application/proto" }, text(size), 401]);
  }
  const login = "/darkroom.auth.v1.AuthService/Login";
  refusals.push([login, { "content-type": "application/json" }, text(100_000), 429]);
  refusals.push([login, { "content-type": "application/json" }, text(300_000), 429]);
  refusals.push([upload, { authorization, "content-type": "application/proto" }, text(60 * MiB), 400]);

  for (const [path, headers, body, status] of refusals) {
    expect(await call(path, headers, body), `${path} ${body.length}`).toBe(status);
    const check = "/darkroom.auth.v1.AuthService/CheckAuth";
    expect(await call(check, { authorization, "content-type": "application/json" }, Buffer.from("{}"))).toBe(200);
  }
  agent.destroy();
});

test("over HTTP/2 whoever was refused can send the rest, however much, and is done", async () => {
  const server = await serve({}, { worker: false });
  const { token } = await signIn(server);
  const session = connect(server.url);
  const service = "/darkroom.imagejob.v1.ImageJobService";
  const refusals: [string, Record<string, string>][] = [
    ["/images", { "content-type": "image/png" }],
    ["/upload", { "content-type": "multipart/form-data; boundary=x" }],
    ["/upload", { "content-type": "application/json", authorization: `Bearer ${token}` }],
    [`${service}/UploadImage`, { "content-type": "application/proto" }],
    [`${service}/UploadImage`, { "content-type": "application/grpc" }],
    [`${service}/ListModels`, { "content-type": "application/proto", authorization: `Bearer ${token}` }],
    [`${service}/ListModels`, { "content-type": "application/grpc-web", authorization: `Bearer ${token}` }],
    [`${service}/WatchImageJob`, { "content-type": "application/grpc", authorization: `Bearer ${token}` }],
  ];
  for (const [path, headers] of refusals) {
    const stream = session.request({ ":method": "POST", ":path": path, te: "trailers", ...headers });
    stream.resume();
    // More than may be on its way unread.
    const sent = new Promise((resolve) => stream.end(text(2 * MiB), () => resolve("sent")));
    await once(stream, "close");
    expect(await sent, path).toBe("sent");
    expect(stream.rstCode, path).toBe(0);
  }
  session.close();
});
