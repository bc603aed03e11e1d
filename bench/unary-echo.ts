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
/** By what a row says of it, the echo server's arguments. */
const variants = {
  "": ["fast", "info"],
  ", without the access log": ["fast", "warn"],
  ", fast path off": ["stock", "info"],
} as const;
const json = { format: connectJson, command: [reference("http-echo.ts"), "1"] } as const;
const ways = [
  { what: "Connect JSON, HTTP/1.1", format: connectJson, http: 1, against: json },
  { what: "Connect binary, HTTP/1.1", format: connectProto, http: 1, against: json },
  { what: "gRPC-Web, HTTP/1.1", format: grpcWeb, http: 1, against: json },
  { what: "gRPC", format: grpc, http: 2, against: { format: grpc, command: [reference("grpc-echo.ts")] } },
] as const;

export const unaryEcho: Benchmark = {
  name: "unary-echo",
  measures:
    "a unary echo by 32 callers, by the fast path and by connect-node's, against a JSON echo on bare Node or grpc-js",
  run,
};

async function run({ rounds }: Options): Promise<Report> {
  const rows: Row[] = [];
  for (const { what, format, http, against } of ways) {
    const bare = await start(against.command);
    const servers = await Promise.all(Object.values(variants).map((args) => start([...ours, ...args])));
    const call = callIn(format);
    const sides = [await side(bare, http, callIn(against.format))];
    for (const server of servers) sides.push(await side(server, http, call));
    const [byBare = [], ...byOurs] = await interleave(rounds, sides);
    for (const [index, variant] of Object.keys(variants).entries())
      rows.push(...rateRows(what + variant, [byOurs[index] ?? [], byBare]));
    for (const server of [bare, ...servers]) await server.stop();
  }
  return { measured: "Darkroom", reference: "bare Node, grpc-js", rows };
}

function start(command: readonly string[]) {
  return startChild(command, { env: allocator, log: join(scratchDirectory(), "bench.log") });
}

function callIn(format: Parameters<typeof unaryCall>[0]) {
  const accepts = is(answered(format, echo.output, echoed));
  return { ...unaryCall(format, echo, {}, { token: undefined, accepts }), body: encoded(format, echo.input, echoed) };
}
