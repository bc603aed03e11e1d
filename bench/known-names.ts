import { randomBytes, randomUUID } from "node:crypto";
import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { AuthService } from "../gen/darkroom/auth/v1/auth_pb.ts";
import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import type { Caller } from "./support/caller.ts";
import { type Call, connectJson, has, unaryCall } from "./support/calls.ts";
import { adminOf, makeKey } from "./support/credentials.ts";
import { type Server, startDarkroom } from "./support/darkroom.ts";
import { openCallers } from "./support/load.ts";
import { msOf } from "./support/ms-of.ts";
import { mannWhitney, percentile } from "./support/statistics.ts";

/** Of each side in a round, in random order, one at a time; no name is tried twice in one way. */
const tries = 40;
/** Letters that nobody gets: what is done after the answer is done all the same. */
const mail = { SMTP_URL: "smtp://127.0.0.1:9", MAIL_FROM: "darkroom@example.com" };
const { method } = AuthService;
const password = "not the password";
const secret = "A".repeat(43);

export const knownNames: Benchmark = {
  name: "known-names",
  measures: "how long an answer takes where the name, the address or the id is known, and where nobody has it",
  run,
};

interface Known {
  readonly email: string;
  readonly username: string;
  readonly accountId: string;
  readonly sessionId: string;
  readonly refreshToken: string;
}

interface Pair {
  readonly what: string;
  known(who: Known): Call;
  unknown(): Call;
}

async function run({ rounds }: Options): Promise<Report> {
  const server = await startDarkroom({ env: mail });
  const admin = await adminOf(server);
  const key = await makeKey(server, admin);
  const names: Known[] = [];
  while (names.length < rounds * tries) names.push(...(await Promise.all([signUp(server), signUp(server)])));
  const [caller] = await openCallers(server.url, 1, 1);
  if (caller === undefined) throw new Error("nobody calls");
  const rows: Row[] = [];
  for (const pair of pairsOf(key)) rows.push(...(await compare(server, caller, pair, names, rounds)));
  for (const { accountId } of names) await server.auth.setUserDisabled({ userId: accountId, disabled: true }, admin);
  rows.push(...(await compare(server, caller, login("Login to a disabled account"), names, rounds)));
  await server.stop();
  return { measured: "known", reference: "unknown", rows };
}

async function compare(server: Server, caller: Caller, { what, known, unknown }: Pair, names: Known[], rounds: number) {
  const byRound: [number[], number[]][] = [];
  for (let round = 0; round < rounds; round++) {
    await server.quiet(2000);
    const times: [number[], number[]] = [[], []];
    for (const name of names.slice(round * tries, (round + 1) * tries)) {
      const pair = [() => timed(caller, known(name), times[0]), () => timed(caller, unknown(), times[1])] as const;
      for (const call of Math.random() < 0.5 ? pair : pair.toReversed()) await call();
    }
    byRound.push(times);
  }
  const medians = (index: 0 | 1) => byRound.map((times) => percentile(times[index], 50));
  const all = (index: 0 | 1) => byRound.flatMap((times) => times[index]);
  return [
    { what, unit: "ms", measured: medians(0), reference: medians(1) },
    { what: "– beyond 3 or –3 they differ", unit: "z", measured: [mannWhitney(all(0), all(1))] },
  ];
}

async function timed(caller: Caller, call: Call, times: number[]): Promise<void> {
  times.push(await msOf(() => caller.call(call)));
}

const nobody = () => `bench-${randomBytes(6).toString("hex")}`;

/** One kind of call, that is asked with something of who is known, and of nobody. */
function pairOf<Of>(what: string, ask: (of: Of) => Call, known: (who: Known) => Of, unknown: () => Of): Pair {
  return { what, known: (who) => ask(known(who)), unknown: () => ask(unknown()) };
}

function login(what: string): Pair {
  const ask = (identity: string) => refused(method.login, { identity, password }, 401);
  return pairOf(what, ask, ({ username }) => username, nobody);
}

function pairsOf(key: string): readonly Pair[] {
  const newPassword = "a good new one";
  const rest = () => randomBytes(32).toString("base64url");
  return [
    login("Login with a wrong password"),
    pairOf(
      "RequestPasswordReset",
      (email: string) => answered(method.requestPasswordReset, { email }),
      ({ email }) => email,
      () => `${nobody()}@example.com`,
    ),
    pairOf(
      "ResetPassword with a wrong token",
      (id: string) => refused(method.resetPassword, { token: `dp_${id}_${secret}`, newPassword }, 400),
      ({ accountId }) => accountId,
      randomUUID,
    ),
    pairOf(
      "RefreshToken of a session with a wrong seal",
      (refreshToken: string) => refused(method.refreshToken, { refreshToken: forged(refreshToken) }, 401),
      ({ refreshToken }) => refreshToken,
      () => randomBytes(64).toString("base64url"),
    ),
    pairOf(
      "Validate of a session with a wrong secret",
      (id: string) => answered(method.validate, { credential: `ds_${id}_${secret}` }),
      ({ sessionId }) => sessionId,
      randomUUID,
    ),
    pairOf(
      "ExchangeApiKey with a wrong key",
      (id: string) => refused(method.exchangeApiKey, { apiKey: `dk_${id}_${rest()}` }, 401),
      () => key.split("_")[1] ?? "",
      () => randomBytes(8).toString("hex"),
    ),
  ];
}

/** The session and the secret as they were, and a seal that is not theirs. */
function forged(refreshToken: string): string {
  const bytes = Buffer.from(refreshToken, "base64url");
  return bytes.fill(7, bytes.length - 16).toString("base64url");
}

function answered<I extends DescMessage, O extends DescMessage>(
  of: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
): Call {
  return unaryCall(connectJson, of, request, { token: undefined, accepts: has("{") });
}

function refused<I extends DescMessage, O extends DescMessage>(
  of: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  status: number,
): Call {
  return { ...answered(of, request), status };
}

/** A new account with an address and a session. */
async function signUp({ auth }: Server): Promise<Known> {
  const username = nobody();
  const [email, own] = [`${username}@example.com`, randomBytes(12).toString("base64url")];
  const { account } = await auth.signUp({ username, email, password: own });
  const { tokens, sessionToken } = await auth.login({ identity: username, password: own, sessionToken: true });
  const sessionId = sessionToken.split("_")[1] ?? "";
  return { email, username, accountId: account?.id ?? "", sessionId, refreshToken: tokens?.refreshToken ?? "" };
}
