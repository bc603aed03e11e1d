import { AuthService } from "../gen/darkroom/auth/v1/auth_pb.ts";
import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import { type Call, connectJson, has, unaryCall } from "./support/calls.ts";
import { adminOf, makeKey } from "./support/credentials.ts";
import { type Server, type SignedIn, signIn, startDarkroom } from "./support/darkroom.ts";
import { interleave } from "./support/load.ts";
import { rateRows, side } from "./support/unary.ts";

const cold = 40;

export const credentials: Benchmark = {
  name: "credentials",
  measures: "CheckAuth with an API key, and Validate of a session token and a key, against those of an access token",
  run,
};

async function run({ rounds }: Options): Promise<Report> {
  const server = await startDarkroom();
  const who = await signIn(server);
  const admin = await adminOf(server);
  const key = await makeKey(server, admin);
  const { sessionToken } = await server.auth.login({
    identity: who.username,
    password: who.password,
    sessionToken: true,
  });
  const byToken = check(who.token, who.username);
  const rows: Row[] = [];
  const pairs = [
    ["CheckAuth with an API key", check(key, "client"), byToken],
    ["Validate of a session token", validate(sessionToken, who.username), validate(who.token, who.username)],
    ["Validate of an API key", validate(key, "client"), validate(who.token, who.username)],
  ] as const;
  for (const [what, measured, reference] of pairs) {
    const sides = [await side(server, 1, measured), await side(server, 1, reference)];
    rows.push(...rateRows(what, await interleave(rounds, sides)));
  }
  rows.push(await coldRow(server, who, admin, rounds));
  await server.stop();
  return { measured: "that credential", reference: "an access token", rows };
}

const check = (token: string, text: string): Call =>
  unaryCall(connectJson, AuthService.method.checkAuth, {}, { token, accepts: has(text) });

const validate = (credential: string, text: string): Call =>
  unaryCall(connectJson, AuthService.method.validate, { credential }, { token: undefined, accepts: has(text) });

/** The first call of each: a key's costs one bcrypt. */
async function coldRow(
  server: Server,
  who: SignedIn,
  admin: Awaited<ReturnType<typeof adminOf>>,
  rounds: number,
): Promise<Row> {
  const row = {
    what: "the first CheckAuth of each, one by one",
    unit: "ms",
    measured: [] as number[],
    reference: [] as number[],
  };
  for (let round = 0; round < rounds; round++) {
    const keys = await Promise.all(Array.from({ length: cold }, () => makeKey(server, admin)));
    row.measured.push(await medianOf(server, keys));
    const logins = Array.from({ length: cold / 4 }, () =>
      server.auth.login({ identity: who.username, password: who.password }),
    );
    const tokens = (await Promise.all(logins)).map((login) => login.tokens?.accessToken ?? "");
    row.reference.push(await medianOf(server, tokens));
  }
  return row;
}

async function medianOf({ auth }: Server, all: readonly string[]): Promise<number> {
  const times: number[] = [];
  for (const token of all) {
    const start = performance.now();
    await auth.checkAuth({}, { headers: { authorization: `Bearer ${token}` } });
    times.push(performance.now() - start);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}
