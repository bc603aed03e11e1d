import { once } from "node:events";
import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from "node:http2";
import { type Caller, WrongAnswer } from "./caller.ts";
import { type Call, grpc } from "./calls.ts";

const { HTTP2_HEADER_METHOD, HTTP2_HEADER_PATH, HTTP2_HEADER_STATUS } = constants;

/** Callers over HTTP/2 without TLS, `streams` of them on each connection: for gRPC, and for Connect too. */
export async function http2Callers(url: string, connections: number, streams: number): Promise<Caller[]> {
  const sessions = Array.from({ length: connections }, () => connect(url));
  await Promise.all(sessions.map((session) => once(session, "connect")));
  return sessions.flatMap((session) => Array.from({ length: streams }, () => http2Caller(session)));
}

function http2Caller(session: ClientHttp2Session): Caller {
  return {
    call: (call) =>
      new Promise((resolve, reject) => {
        const stream = session.request({
          ...call.headers,
          [HTTP2_HEADER_METHOD]: call.method,
          [HTTP2_HEADER_PATH]: call.path,
        });
        const body: Buffer[] = [];
        let headers: IncomingHttpHeaders = {};
        let trailers: IncomingHttpHeaders = {};
        stream.on("response", (received) => {
          headers = received;
        });
        stream.on("trailers", (received) => {
          trailers = received;
        });
        stream.on("data", (chunk: Buffer) => body.push(chunk));
        stream.on("end", () => {
          const answer = body.length === 1 ? (body[0] as Buffer) : Buffer.concat(body);
          if (isRight(call, headers, trailers, answer)) resolve();
          else reject(new WrongAnswer(call, JSON.stringify({ ...headers, ...trailers }), answer));
        });
        stream.on("error", reject);
        stream.end(call.body);
      }),
    close: () => session.destroy(),
  };
}

function isRight(call: Call, headers: IncomingHttpHeaders, trailers: IncomingHttpHeaders, body: Buffer): boolean {
  if (Number(headers[HTTP2_HEADER_STATUS]) !== call.status) return false;
  if (call.headers["content-type"] === grpc && trailers["grpc-status"] !== "0") return false;
  return call.accepts(body);
}
