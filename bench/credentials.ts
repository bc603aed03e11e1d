import { AuthService } from "../gen/darkroom/auth/v1/auth_pb.ts";
import { bearer } from "../src/client/index.ts";
import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import { type Call, connectJson, has, unaryCall } from "./support/calls.ts";
import { adminOf, makeKey, sessionOf } from "./support/credentials.ts";
import { type Server, type SignedIn, signIn, startDarkroom } from "./support/darkroom.ts";
import { interleave } from "./support/load.ts";
import { msOf } from "./support/ms-of.ts";
import { percentile } from "./support/statistics.ts";
import { rateRows, side } from "./support/unary.ts";

const cold = 20;

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
  const sessionToken = await sessionOf(server, who);
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
  rows.push(...(await coldRows(server, who, rounds)));
  await server.stop();
  return { measured: "that credential", reference: "an access token", rows };
}

const check = (token: string, text: string): Call =>
  unaryCall(connectJson, AuthService.method.checkAuth, {}, { token, accepts: has(text) });

const validate = (credential: string, text: string): Call =>
  unaryCall(connectJson, AuthService.method.validate, { credential }, { token: undefined, accepts: has(text) });

/** The first call of each credential: a key's costs one bcrypt, the others' a signature or a hash, and the records. */
async function coldRows(server: Server, who: SignedIn, rounds: number): Promise<Row[]> {
  const admin = await adminOf(server);
  const rows = ["CheckAuth with an API key", "Validate of a session token"].map((what) => ({
    what: `the first ${what}, one by one`,
    unit: "ms",
    measured: [] as number[],
    reference: [] as number[],
  }));
  for (let round = 0; round < rounds; round++) {
    const logins = await each(() => logIn(server, who));
    const [keys, tokens] = [await each(() => makeKey(server, admin)), logins.map(({ token }) => token)];
    const byToken = await medianOf(tokens, (token) => server.auth.checkAuth({}, bearer(token)));
    for (const row of rows) row.reference.push(byToken);
    rows[0]?.measured.push(await medianOf(keys, (key) => server.auth.checkAuth({}, bearer(key))));
    const sessions = (await each(() => logIn(server, who))).map(({ sessionToken }) => sessionToken);
    rows[1]?.measured.push(await medianOf(sessions, (credential) => server.auth.validate({ credential })));
  }
  return rows;
}

async function logIn({ auth }: Server, { username, password }: SignedIn) {
  const { tokens, sessionToken } = await auth.login({ identity: username, password, sessionToken: true });
  return { token: tokens?.accessToken ?? "", sessionToken };
}

function each<Of>(make: () => Promise<Of>): Promise<Of[]> {
  return Promise.all(Array.from({ length: cold }, make));
}

async function medianOf(all: readonly string[], call: (credential: string) => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (const credential of all) times.push(await msOf(() => call(credential)));
  return percentile(times, 50);
}
