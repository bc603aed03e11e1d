import type { IncomingMessage, ServerResponse } from "node:http";
import type { ConnectError } from "@connectrpc/connect";
import { encodeEnvelopes, mergeNonProtocolHeaders } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  endStreamFlag,
  endStreamToJson,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import type { DomainError } from "../../model/errors.ts";
import type { Log } from "../../ports/log.ts";
import { toConnectError } from "../errors.ts";
import { isGrpc, sendTrailersOnly, trailersOnly } from "./trailers-only.ts";

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** A character for each byte: Node then writes it together with the headers. */
  readonly body: string;
}

type Answers = ReturnType<typeof toAnswers>;

/** Answers a call that is refused before it was looked at, with the reason. */
export type Refuse = (request: IncomingMessage, response: ServerResponse, error: DomainError) => void;

/** Refuses calls, each in its protocol, by answers that are made once: a server that is overloaded must refuse quickly. */
export function createRefuse(log: Log): Refuse {
  const known = new WeakMap<DomainError, Answers>();
  const answersTo = (error: DomainError): Answers => {
    const answers = known.get(error) ?? toAnswers(toConnectError(error, log, ""));
    known.set(error, answers);
    return answers;
  };
  return (request, response, error) => answerBy(request, response, answersTo(error));
}

/** Tells a call in its protocol why there is no answer. */
export function sendError(request: IncomingMessage, response: ServerResponse, error: ConnectError): void {
  answerBy(request, response, toAnswers(error));
}

function answerBy({ headers }: IncomingMessage, response: ServerResponse, { unary, stream, grpc }: Answers): void {
  const { "content-type": type = "" } = headers;
  if (isGrpc(type)) sendTrailersOnly(response, type, grpc);
  else if (type.startsWith("application/connect+")) send(response, stream, type);
  else send(response, unary, "application/json");
}

function toAnswers(error: ConnectError) {
  const metadata = new Headers();
  mergeNonProtocolHeaders(metadata, error.metadata);
  const end = JSON.stringify(endStreamToJson(new Headers(), error, undefined));
  return {
    unary: answer(codeToHttpStatus(error.code), metadata, errorToJsonBytes(error, undefined)),
    stream: answer(200, new Headers(), encodeEnvelopes({ flags: endStreamFlag, data: Buffer.from(end) })),
    grpc: trailersOnly(error),
  };
}

function answer(status: number, headers: Headers, body: Uint8Array): Answer {
  return { status, headers: Object.fromEntries(headers), body: Buffer.from(body).toString("latin1") };
}

function send(response: ServerResponse, { status, headers, body }: Answer, type: string): void {
  response.writeHead(status, { "content-type": type, "content-length": body.length, ...headers });
  response.end(body, "latin1");
}
