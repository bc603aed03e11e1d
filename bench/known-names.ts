import { randomBytes, randomUUID } from "node:crypto";
import type { Benchmark, Options, Report, Row } from "./support/benchmark.ts";
import { adminOf, makeKey } from "./support/credentials.ts";
import { type Server, type SignedIn, signIn, startDarkroom } from "./support/darkroom.ts";

/** Tries of each kind in a round, in turn: known, unknown, known, … */
const tries = 20;

export const knownNames: Benchmark = {
  name: "known-names",
  measures: "how long a refusal takes where the name is known, against where nobody has it; 1.00 tells nothing",
  run,
};

async function run({ rounds }: Options): Promise<Report> {
  const server = await startDarkroom();
  const admin = await adminOf(server);
  const key = await makeKey(server, admin);
  const rows: Row[] = [];
  for (const [what, known, unknown] of pairsOf(server, key)) {
    const row = { what, unit: "ms", measured: [] as number[], reference: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      // Each name is tried once: nobody is slowed down.
      const users = await Promise.all(Array.from({ length: tries }, () => signIn(server)));
      const times: [number[], number[]] = [[], []];
      for (const user of users) {
        times[0].push(await refused(() => known(user)));
        times[1].push(await refused(unknown));
      }
      row.measured.push(median(times[0]));
      row.reference.push(median(times[1]));
    }
    rows.push(row);
  }
  await server.stop();
  return { measured: "known", reference: "unknown", rows };
}

type Pair = readonly [what: string, known: (user: SignedIn) => Promise<unknown>, unknown: () => Promise<unknown>];

function pairsOf({ auth }: Server, key: string): readonly Pair[] {
  const password = "not the password";
  const secret = "A".repeat(43);
  const nobody = () => `nobody-${randomUUID()}`;
  return [
    [
      "Login with a wrong password",
      ({ username }) => auth.login({ identity: username, password }),
      () => auth.login({ identity: nobody(), password }),
    ],
    [
      "ResetPassword with a wrong token",
      ({ accountId }) => auth.resetPassword({ token: `dp_${accountId}_${secret}`, newPassword: "a good new one" }),
      () => auth.resetPassword({ token: `dp_${randomUUID()}_${secret}`, newPassword: "a good new one" }),
    ],
    [
      "ExchangeApiKey with a wrong key",
      () => auth.exchangeApiKey({ apiKey: fresh(key) }),
      () => auth.exchangeApiKey({ apiKey: fresh(`dk_${"a".repeat(16)}_${secret}`) }),
    ],
  ];
}

/** What was compared once is remembered. */
function fresh(key: string): string {
  return key.slice(0, -8) + randomBytes(6).toString("base64url");
}

async function refused(call: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await call().then(
    () => {
      throw new Error("a wrong secret was taken");
    },
    () => {},
  );
  return performance.now() - start;
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}
