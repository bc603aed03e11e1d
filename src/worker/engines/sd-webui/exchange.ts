import { once } from "node:events";
import { type IncomingMessage, request as requestByHttp } from "node:http";
import { request as requestByHttps } from "node:https";
import { text } from "node:stream/consumers";
import { limitedBytes } from "../../../helpers/limited-bytes.ts";

export interface Call {
  readonly method: "GET" | "POST";
  readonly url: string;
  /** The value of the header; undefined for none. */
  readonly authorization: string | undefined;
  /** Sent as JSON; undefined for no body. */
  readonly body?: unknown;
  /** Bytes of the answer. */
  readonly answerMax: number;
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/** The answer is longer than the call allows. */
export class AnswerTooLong extends Error {
  override readonly name = "AnswerTooLong";
}

/**
 * One request and its whole answer; redirects are not followed. Not by `fetch`, which gives up when no answer has begun
 * after five minutes and cannot be told otherwise: such a server answers when its pictures are done.
 */
export async function exchange({ method, url, authorization, body, answerMax, signal }: Call): Promise<Answer> {
  signal.throwIfAborted();
  const content = body === undefined ? undefined : JSON.stringify(body);
  const send = url.startsWith("https:") ? requestByHttps : requestByHttp;
  const headers = {
    accept: "application/json",
    ...(content === undefined
      ? {}
      : { "content-type": "application/json", "content-length": Buffer.byteLength(content) }),
    ...(authorization === undefined ? {} : { authorization }),
  };
  // A connection of its own: one that is kept alive may be closed by the server just as it is used again.
  const request = send(url, { method, headers, signal, agent: false });
  request.end(content);
  const [response]: IncomingMessage[] = await once(request, "response");
  if (response === undefined) throw new Error("a response event without a response");
  // The response's own error says the same.
  request.on("error", () => {});
  const { statusCode = 0, headers: answered } = response;
  const whole = limitedBytes(response, answerMax, () => new AnswerTooLong(`more than ${answerMax} bytes`));
  return { status: statusCode, type: answered["content-type"] ?? "", text: await text(whole) };
}
