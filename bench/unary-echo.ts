import { join } from "node:path";
import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import {
  answered,
  connectJson,
  connectProto,
  encoded,
  type Format,
  grpc,
  grpcWeb,
  is,
  unaryCall,
} from "./support/calls.ts";
import { type Child, startChild } from "./support/children.ts";
import { allocator, nodeOptions } from "./support/darkroom.ts";
import { echo, echoed } from "./support/echo.ts";
import { interleave, type Rate } from "./support/load.ts";
import { scratchDirectory } from "./support/scratch.ts";
import { rateRows, reference, side } from "./support/unary.ts";

interface EchoServer {
  /** What it speaks. */
  readonly format: Format;
  readonly command: readonly string[];
}

const ours = [...nodeOptions, join(import.meta.dirname, "support/echo-server.ts")];
const json = { format: connectJson, command: [reference("http-echo.ts"), "1"] } as const;
const grpcJs = { format: grpc, command: [reference("grpc-echo.ts")] } as const;
const ways = [
  { what: "Connect JSON, HTTP/1.1", format: connectJson, http: 1, against: json },
  { what: "Connect binary, HTTP/1.1", format: connectProto, http: 1, against: json },
  { what: "gRPC-Web, HTTP/1.1", format: grpcWeb, http: 1, against: json },
  { what: "gRPC", format: grpc, http: 2, against: grpcJs },
] as const;

export const unaryEcho: Benchmark = {
  name: "unary-echo",
  measures:
    "a unary echo by 32 callers, by the fast path and by connect-node's, against a JSON echo on bare Node or grpc-js",
  run,
};

async function run({ rounds }: Options): Promise<Report> {
  const rows: Row[] = [];
  for (const way of ways) rows.push(...(await compare(way, rounds)));
  rows.push(...(await compareNode(rounds)));
  return { measured: "Darkroom", reference: "bare Node, grpc-js", rows };
}

async function compare({ what, format, http, against }: (typeof ways)[number], rounds: number): Promise<Row[]> {
  const echoServer = (...args: string[]) => ({ format, command: [...ours, ...args] });
  const servers = [
    against,
    { ...against, command: [...against.command, "log"] },
    echoServer("fast", "info"),
    echoServer("fast", "warn"),
    echoServer("stock", "info"),
  ];
  const [bare = [], bareLogged = [], logged = [], quiet = [], stock = []] = await ratesOf(servers, http, rounds);
  return [
    ...rateRows(what, [logged, bare]),
    ...rateRows(`${what}, an access log on both sides`, [logged, bareLogged]),
    ...rateRows(`${what}, without the access log`, [quiet, bare]),
    ...rateRows(`${what}, fast path off`, [stock, bare]),
  ];
}

/** What is left to gain beside grpc-js, which stands on the same module. */
async function compareNode(rounds: number): Promise<Row[]> {
  const node: EchoServer = { format: grpc, command: [...nodeOptions, reference("http2-grpc-echo.ts")] };
  return rateRows("gRPC, node:http2 instead of Darkroom", await ratesOf([node, grpcJs], 2, rounds));
}

async function ratesOf(servers: readonly EchoServer[], http: 1 | 2, rounds: number): Promise<Rate[][]> {
  const children = await Promise.all(servers.map(({ command }) => start(command)));
  const sides = servers.map(({ format }, index) => side(children[index] as Child, http, callIn(format)));
  const rates = await interleave(rounds, await Promise.all(sides));
  for (const child of children) await child.stop();
  return rates;
}

function start(command: readonly string[]) {
  return startChild(command, { env: allocator, log: join(scratchDirectory(), "bench.log") });
}

function callIn(format: Format) {
  const accepts = is(answered(format, echo.output, echoed));
  return { ...unaryCall(format, echo, {}, { token: undefined, accepts }), body: encoded(format, echo.input, echoed) };
}
