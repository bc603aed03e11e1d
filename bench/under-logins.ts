import { AuthService } from "../gen/darkroom/auth/v1/auth_pb.ts";
import { sessionCall } from "./session-validation.ts";
import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import { type Call, connectJson, has, unaryCall } from "./support/calls.ts";
import { adminOf, makeKey, sessionOf } from "./support/credentials.ts";
import { signIn, startDarkroom } from "./support/darkroom.ts";
import { startDisturber } from "./support/disturbance.ts";
import { interleave } from "./support/load.ts";
import { pacedLatencies } from "./support/paced.ts";
import { percentile } from "./support/statistics.ts";

const sideMs = 2000;
/** How long the server may take for the logins that still wait at the end of a busy side. */
const quietMs = 4000;
const { method } = AuthService;

export const underLogins: Benchmark = {
  name: "under-logins",
  measures:
    "200 calls a second by each kind of credential while 4 logins a second run, against the same with nothing else",
  run,
};

async function run({ rounds }: Options): Promise<Report> {
  const server = await startDarkroom();
  const who = await signIn(server);
  const key = await makeKey(server, await adminOf(server));
  const session = await sessionOf(server, who);
  const disturber = await startDisturber(server.url, who);
  const check = (token: string, text: string): Call =>
    unaryCall(connectJson, method.checkAuth, {}, { token, accepts: has(text) });
  const validate = (credential: string, text: string): Call =>
    unaryCall(connectJson, method.validate, { credential }, { token: undefined, accepts: has(text) });
  const calls = [
    ["CheckAuth with an access token", check(who.token, who.username)],
    ["CheckAuth with an API key", check(key, "client")],
    ["Validate of an access token", validate(who.token, who.username)],
    ["Validate of a session token", validate(session, who.username)],
    ["Validate of an API key", validate(key, "client")],
    ["GET /session/validate", sessionCall(session, who.username)],
  ] as const;

  const rows: Row[] = [];
  for (const [what, call] of calls) {
    const idle = () => pacedLatencies(server.url, call, sideMs);
    const busy = async () => {
      await disturber.tell("start");
      const latencies = await idle();
      await disturber.tell("stop");
      await server.quiet(quietMs);
      return latencies;
    };
    const [measured = [], reference = []] = await interleave(rounds, [busy, idle]);
    for (const percent of [50, 99]) {
      const of = (sides: readonly number[][]) => sides.map((latencies) => percentile(latencies, percent));
      rows.push({ what: `${what}, p${percent}`, unit: "ms", measured: of(measured), reference: of(reference) });
    }
  }
  await disturber.end();
  await server.stop();
  return { measured: "4 logins a second", reference: "idle", rows };
}
