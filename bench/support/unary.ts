import { join } from "node:path";
import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Options, Report, Row } from "./benchmark.ts";
import { connectJson, encoded, grpc, is, unaryCall } from "./calls.ts";
import { type Child, startChild } from "./children.ts";
import { type Server, type SignedIn, signIn, startDarkroom } from "./darkroom.ts";
import { interleave, load, openCallers, type Rate } from "./load.ts";

const callers = 32;
const sideMs = 700;
export const reference = (file: string) => join(import.meta.dirname, "../reference", file);

const ways = [
  { what: "Connect JSON, HTTP/1.1", format: connectJson, http: 1, command: [reference("http-echo.ts"), "1"] },
  { what: "Connect JSON, HTTP/2", format: connectJson, http: 2, command: [reference("http-echo.ts"), "2"] },
  { what: "gRPC", format: grpc, http: 2, command: [reference("grpc-echo.ts")] },
] as const;

export interface Subject<I extends DescMessage, O extends DescMessage> {
  readonly method: DescMethodUnary<I, O>;
  request(who: SignedIn): MessageInitShape<I>;
  /** The right answer, by a client that is known to work. */
  answer(server: Server, who: SignedIn): Promise<MessageShape<O>>;
}

/**
 * One method, by each protocol, against the least that Node, or grpc-js, needs for an answer of the same bytes: an echo
 * that gets the same headers and, as its body, what Darkroom answers with.
 */
export async function compareUnary<I extends DescMessage, O extends DescMessage>(
  { method, request, answer }: Subject<I, O>,
  { rounds }: Options,
): Promise<Report> {
  const server = await startDarkroom();
  const who = await signIn(server);
  const rightAnswer = await answer(server, who);
  const rows: Row[] = [];
  for (const { what, format, http, command } of ways) {
    const echo = await startChild(command);
    const body = encoded(format, method.output, rightAnswer);
    const call = unaryCall(format, method, request(who), { token: who.token, accepts: is(body) });
    const sides = [await side(server, http, call), await side(echo, http, { ...call, body })];
    rows.push(...rateRows(what, await interleave(rounds, sides)));
    await echo.stop();
  }
  await server.stop();
  return { measured: "Darkroom", reference: "bare Node, grpc-js", rows };
}

export async function side(
  child: Child,
  http: 1 | 2,
  call: Parameters<typeof load>[2][number],
): Promise<() => Promise<Rate>> {
  const opened = await openCallers(child.url, http, callers);
  return () => load(child, opened, [call], sideMs);
}

/** Of two sides' rates by round. */
export function rateRows(what: string, [measured = [], reference = []]: readonly Rate[][]): Row[] {
  const of = (key: keyof Rate) => ({
    measured: measured.map((rate) => rate[key]),
    reference: reference.map((rate) => rate[key]),
  });
  return [
    { what, unit: "calls/s", ...of("perSecond") },
    { what, unit: "server's CPU µs a call", ...of("cpuUs") },
  ];
}
