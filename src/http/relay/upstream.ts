import { AsyncLocalStorage } from "node:async_hooks";
import { Agent, type Dispatcher } from "undici";

const connectMs = 5000;
const retriesMax = 2;
const retryDelayMs = 100;
/** The highest status of HTTP: RFC 9110. */
const statusMax = 599;

type Done = (error: Error | null, data: Dispatcher.ResponseData) => void;

export interface Upstream {
  /** What reply-from sends by. */
  readonly dispatcher: { readonly request: Dispatcher["request"] };
  /** Runs `send`. The request that it sends is aborted with the signal. */
  until<Result>(signal: AbortSignal, send: () => Result): Result;
  close(): Promise<void>;
}

export function openUpstream(silenceMs: number): Upstream {
  const agent = new Agent({ connect: { timeout: connectMs }, headersTimeout: silenceMs, bodyTimeout: silenceMs });
  // reply-from hands over no signal.
  const signals = new AsyncLocalStorage<AbortSignal>();
  const request = (options: Dispatcher.RequestOptions, done: Done) =>
    agent.request({ ...options, signal: signals.getStore() ?? null }, (error, data) => {
      if (error !== null || data.statusCode <= statusMax) return done(error, data);
      // reply-from would answer it twice.
      data.body.on("error", () => {}).destroy();
      done(new Error(`the upstream's status is ${data.statusCode}`), data);
    });
  return {
    dispatcher: { request: request as Dispatcher["request"] },
    until: (signal, send) => signals.run(signal, send),
    close: () => agent.destroy(),
  };
}

/** How long to wait before the request is sent again; null for one that may have been acted upon, or that would fail again. */
export function retryDelay({ req, err, attempt }: { req: { method?: string }; err: unknown; attempt: number }) {
  const isSafe = req.method === "GET" || req.method === "HEAD";
  const isRetried = isSafe && attempt < retriesMax && lost.includes(codeOf(err));
  return isRetried ? retryDelayMs * 2 ** attempt : null;
}

const lost = ["ECONNREFUSED", "ECONNRESET", "EPIPE", "UND_ERR_SOCKET"];
const late = ["ETIMEDOUT", "UND_ERR_BODY_TIMEOUT", "UND_ERR_CONNECT_TIMEOUT", "UND_ERR_HEADERS_TIMEOUT"];

/** What the caller is told of an upstream that failed. */
export function failureOf(error: unknown): { status: 502 | 504; reason: string; detail: string } {
  if (late.includes(codeOf(error)) || (error as Error).name === "TimeoutError")
    return { status: 504, reason: "UPSTREAM_TIMEOUT", detail: "the service behind this one did not answer in time" };
  return { status: 502, reason: "UPSTREAM_UNREACHABLE", detail: "the service behind this one cannot be reached" };
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException | null)?.code ?? "");
}
