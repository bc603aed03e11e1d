import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import { type Call, has } from "./support/calls.ts";
import { type Child, startChild } from "./support/children.ts";
import { sessionOf } from "./support/credentials.ts";
import { signIn, startDarkroom } from "./support/darkroom.ts";
import { interleave, load, openCallers, type Rate } from "./support/load.ts";
import { percentile } from "./support/statistics.ts";
import { reference } from "./support/unary.ts";

const callers = 32;
const sideMs = 1500;

export const sessionValidation: Benchmark = {
  name: "session-validation",
  measures:
    "GET /session/validate by cookie and GET /api/check_auth by token, 32 callers, against bare Node, which looks nothing up",
  run,
};

type Loaded = Rate & { readonly p50: number; readonly p99: number };

async function run({ rounds }: Options): Promise<Report> {
  const server = await startDarkroom();
  const who = await signIn(server);
  const bare = await startChild([reference("http-session.ts"), who.username]);
  const token = await sessionOf(server, who);
  const [bySession, byToken] = [sessionCall(token, who.username), gatewayCall(who.token, who.username)];
  const sides = [
    await side(server, bySession),
    await side(bare, bySession),
    await side(server, byToken),
    await side(bare, byToken),
  ];
  const [sessions = [], leastForSessions = [], tokens = [], leastForTokens = []] = await interleave(rounds, sides);
  await bare.stop();
  await server.stop();
  const rows = [
    ...rowsOf("GET /session/validate", sessions, leastForSessions),
    ...rowsOf("GET /api/check_auth", tokens, leastForTokens),
  ];
  return { measured: "Darkroom", reference: "bare Node", rows };
}

function rowsOf(call: string, measured: readonly Loaded[], least: readonly Loaded[]): Row[] {
  const row = (what: string, unit: string, key: keyof Loaded): Row => ({
    what,
    unit,
    measured: measured.map((each) => each[key]),
    reference: least.map((each) => each[key]),
  });
  return [
    row(call, "calls/s", "perSecond"),
    row(call, "server's CPU µs a call", "cpuUs"),
    row(`${call}, p50`, "ms", "p50"),
    row(`${call}, p99`, "ms", "p99"),
  ];
}

export function sessionCall(token: string, username: string): Call {
  const headers = { cookie: `session=${token}` };
  return {
    method: "GET",
    path: "/session/validate",
    headers,
    body: Buffer.alloc(0),
    status: 200,
    accepts: has(username),
  };
}

function gatewayCall(token: string, username: string): Call {
  const headers = { authorization: token };
  return { ...sessionCall(token, username), path: "/api/check_auth", headers };
}

async function side(child: Child, call: Call): Promise<() => Promise<Loaded>> {
  const opened = await openCallers(child.url, 1, callers);
  let latencies: number[] = [];
  const timed = opened.map(({ call: make, close }) => ({
    close,
    async call(wanted: Call) {
      const start = performance.now();
      await make(wanted);
      latencies.push(performance.now() - start);
    },
  }));
  return async () => {
    latencies = [];
    const rate = await load(child, timed, [call], sideMs);
    return { ...rate, p50: percentile(latencies, 50), p99: percentile(latencies, 99) };
  };
}
