import { hourMs, minuteMs } from "./time.ts";
/** The tries to sign in to one account that failed or are still running. */
export interface SignInAttempts {
  /** The account's id, or a hash of a name that nobody has: both are treated alike. */
  readonly id: string;
  /** Failures from all addresses, since the last hour without one. */
  readonly failures: number;
  readonly lastAt: number;
  /** Failures by address, the latest last. */
  readonly addresses: readonly AddressAttempts[];
  readonly version: number;
}

interface AddressAttempts {
  readonly address: string;
  readonly failures: number;
  readonly lastAt: number;
}

/** From one address: `freeTries` tries are free; then each waits twice as long as the one before, from 1 s; then a lock. */
const freeTries = 5;
const lockedTries = 10;
const lockMs = 15 * minuteMs;
/**
 * From all addresses: after `widespreadTries` each try is delayed and then made. None is refused, or strangers could
 * keep the owner out.
 */
const widespreadTries = 20;
const heldMs = 2000;
/** How long failures count after the last one. */
export const memoryMs = hourMs;
/** How far ahead another server's clock may be; a later time was counted before a clock was set back. */
const aheadMaxMs = minuteMs;
const addressesMax = 100;

/** How long a try from this address must wait; 0 when it may be made now. */
export function waitMs(attempts: SignInAttempts | undefined, address: string, now: number): number {
  const here = attempts?.addresses.find((each) => each.address === address);
  if (here === undefined || !isRemembered(here, now)) return 0;
  const delay = delayAfter(here.failures);
  // At most `delay`: if the server that counted the failure has a clock ahead of ours, the difference would be added.
  return Math.max(0, Math.min(delay, here.lastAt + delay - now));
}

/** How long an allowed try is delayed. */
export function holdMs(attempts: SignInAttempts | undefined): number {
  return (attempts?.failures ?? 0) >= widespreadTries ? heldMs : 0;
}

/** Counts a try before it is made, so that many at once are counted too. */
export function counted(
  attempts: SignInAttempts | undefined,
  id: string,
  address: string,
  now: number,
): SignInAttempts {
  const remembered = attempts !== undefined && isRemembered(attempts, now) ? attempts : undefined;
  const addresses = (remembered?.addresses ?? []).filter((each) => isRemembered(each, now));
  const here = addresses.find((each) => each.address === address);
  const others = addresses.filter((each) => each !== here).slice(-(addressesMax - 1));
  // After a lock has passed, the last step before it applies.
  const before = Math.min(here?.failures ?? 0, lockedTries - 1);
  return {
    id,
    failures: (remembered?.failures ?? 0) + 1,
    lastAt: now,
    addresses: [...others, { address, failures: before + 1, lastAt: now }],
    version: (attempts?.version ?? 0) + 1,
  };
}

/** After a success from this address: what others failed at elsewhere still counts. */
export function forgiven(attempts: SignInAttempts, address: string): SignInAttempts {
  const own = attempts.addresses.find((each) => each.address === address)?.failures ?? 0;
  return {
    ...attempts,
    failures: Math.max(0, attempts.failures - own),
    addresses: attempts.addresses.filter((each) => each.address !== address),
    version: attempts.version + 1,
  };
}

/** Takes back a try that was counted and not made. It is not forgiven, or keeping the server busy would reset the count. */
export function takenBack(attempts: SignInAttempts, address: string): SignInAttempts {
  const less = (each: SignInAttempts["addresses"][number]) => ({ ...each, failures: Math.max(0, each.failures - 1) });
  return {
    ...attempts,
    failures: Math.max(0, attempts.failures - 1),
    addresses: attempts.addresses.map((each) => (each.address === address ? less(each) : each)),
    version: attempts.version + 1,
  };
}

function isRemembered({ lastAt }: { readonly lastAt: number }, now: number): boolean {
  return now - lastAt < memoryMs && lastAt - now <= aheadMaxMs;
}

function delayAfter(failures: number): number {
  if (failures >= lockedTries) return lockMs;
  return failures < freeTries ? 0 : 1000 * 2 ** (failures - freeTries);
}
