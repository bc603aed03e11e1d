import { join } from "node:path";
import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import { answered, connectJson, connectProto, encoded, grpc, grpcWeb, is, unaryCall } from "./support/calls.ts";
import { startChild } from "./support/children.ts";
import { allocator, nodeOptions } from "./support/darkroom.ts";
import { echo, echoed } from "./support/echo.ts";
import { interleave } from "./support/load.ts";
import { scratchDirectory } from "./support/scratch.ts";
import { rateRows, reference, side } from "./support/unary.ts";

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
  const children = await Promise.all([
    start(against.command),
    start([...against.command, "log"]),
    start([...ours, "fast", "info"]),
    start([...ours, "fast", "warn"]),
    start([...ours, "stock", "info"]),
  ]);
  const formats = [against.format, against.format, format, format, format];
  const sides = await Promise.all(children.map((child, index) => side(child, http, callIn(formats[index] ?? format))));
  const [bare = [], bareLogged = [], logged = [], quiet = [], stock = []] = await interleave(rounds, sides);
  for (const child of children) await child.stop();
  return [
    ...rateRows(what, [logged, bare]),
    ...rateRows(`${what}, an access log on both sides`, [logged, bareLogged]),
    ...rateRows(`${what}, without the access log`, [quiet, bare]),
    ...rateRows(`${what}, fast path off`, [stock, bare]),
  ];
}

/** What is left to gain beside grpc-js, which stands on the same module. */
async function compareNode(rounds: number): Promise<Row[]> {
  const children = await Promise.all([start([...nodeOptions, reference("http2-grpc-echo.ts")]), start(grpcJs.command)]);
  const sides = await Promise.all(children.map((child) => side(child, 2, callIn(grpc))));
  const measured = await interleave(rounds, sides);
  for (const child of children) await child.stop();
  return rateRows("gRPC, node:http2 instead of Darkroom", measured);
}

function start(command: readonly string[]) {
  return startChild(command, { env: allocator, log: join(scratchDirectory(), "bench.log") });
}

function callIn(format: Parameters<typeof unaryCall>[0]) {
  const accepts = is(answered(format, echo.output, echoed));
  return { ...unaryCall(format, echo, {}, { token: undefined, accepts }), body: encoded(format, echo.input, echoed) };
}
