import type { Operation } from "./access.ts";
import { networkOf } from "./address.ts";
import { ownerIdOf, type Principal } from "./principal.ts";
import { dayMs, hourMs, minuteMs } from "./time.ts";

/** At most `count` calls in a window that begins with the first of them. */
export interface RateLimit {
  readonly count: number;
  readonly windowMs: number;
}

/** Limits by name: an operation as model/access.ts has it, or `user`, `client`, `address` for all calls of one such caller. */
export type RateLimits = Readonly<Record<string, RateLimit>>;

/** One limit as it applies to one caller. */
export interface Quota {
  readonly name: string;
  readonly limit: RateLimit;
  /** Calls with the same key are counted together. */
  readonly key: string;
  /** The value that callers read in `RateLimit-Policy`. */
  readonly policy: string;
}

/** Where a caller stands after a call was counted. */
export interface Standing {
  readonly quota: Quota;
  readonly isOver: boolean;
  readonly remaining: number;
  readonly resetMs: number;
}

const service = "darkroom.auth.v1.AuthService";

/** The most that a limit can allow, in any window. */
export const countMax = 100_000_000;
export const windowMaxMs = dayMs;

export const defaultRateLimits = {
  // More than people do: what it stops is one account's runaway loop.
  user: { count: 600_000, windowMs: minuteMs },
  // For those without a limit of their own.
  client: { count: 100, windowMs: minuteMs },
  // Whoever calls without a credential, or with one that is refused.
  address: { count: 60_000, windowMs: minuteMs },
  [`${service}/SignUp`]: { count: 300, windowMs: hourMs },
  [`${service}/Login`]: { count: 60, windowMs: minuteMs },
  [`${service}/RequestPasswordReset`]: { count: 30, windowMs: hourMs },
  [`${service}/RequestEmailChange`]: { count: 30, windowMs: hourMs },
  [`${service}/ConfirmEmailChange`]: { count: 60, windowMs: hourMs },
  [`${service}/ResetPassword`]: { count: 60, windowMs: hourMs },
  [`${service}/UpdateProfile`]: { count: 60, windowMs: hourMs },
  [`${service}/ChangePassword`]: { count: 60, windowMs: hourMs },
  [`${service}/DeleteProfile`]: { count: 60, windowMs: hourMs },
  [`${service}/RefreshToken`]: { count: 600, windowMs: minuteMs },
  [`${service}/ExchangeApiKey`]: { count: 600, windowMs: minuteMs },
  "POST /auth/token": { count: 600, windowMs: minuteMs },
  "POST /v1/chat": { count: 10, windowMs: minuteMs },
} as const satisfies Partial<Record<Operation | Principal["kind"] | "address", RateLimit>>;

/** Asked by machines, whatever the load. */
export const healthChecks: readonly Operation[] = [
  "grpc.health.v1.Health/Check",
  "grpc.health.v1.Health/List",
  "grpc.health.v1.Health/Watch",
  "GET /api/health",
  "GET /auth/v1/health",
  "GET /health",
  "GET /health/live",
  "GET /health/ready",
  "GET /upload/healthz",
];

/** Asked by services for all their callers, or by machines for their health: no address has a limit there. */
const unlimited: ReadonlySet<string> = new Set<Operation>([
  `${service}/Validate`,
  "GET /session/validate",
  ...healthChecks,
]);

/** The limits that count this call; none for workers, whose calls are limited by their jobs. */
export function quotasOf(
  limits: RateLimits,
  operation: string,
  principal: Principal | undefined,
  address: string,
): Quota[] {
  if (principal?.kind === "job" || principal?.kind === "worker") return [];
  if (principal === undefined && unlimited.has(operation)) return [];
  const who = principal === undefined ? `address:${networkOf(address)}` : `${principal.kind}:${ownerIdOf(principal)}`;
  const general = principal?.kind ?? "address";
  const quotas: Quota[] = [];
  const all = ownLimit(principal) ?? limits[general];
  if (all !== undefined) quotas.push(quotaOf(general, all, who));
  const one = limits[operation];
  if (one !== undefined) quotas.push(quotaOf(operation, one, who));
  return quotas;
}

function quotaOf(name: string, limit: RateLimit, who: string): Quota {
  return { name, limit, key: `${name} ${who}`, policy: `"${name}";q=${limit.count};w=${limit.windowMs / 1000}` };
}

/** The values of `RateLimit-Policy` and `RateLimit`, as draft-ietf-httpapi-ratelimit-headers-10 has them. */
export function rateLimitHeaders(standings: readonly Standing[]): { policy: string; state: string } {
  let [policy, state] = ["", ""];
  for (const { quota, remaining, resetMs } of standings) {
    const separator = policy && ", ";
    policy += separator + quota.policy;
    state += `${separator}"${quota.name}";r=${remaining};t=${Math.ceil(resetMs / 1000)}`;
  }
  return { policy, state };
}

function ownLimit(principal: Principal | undefined): RateLimit | undefined {
  const count = principal?.kind === "client" ? principal.client.limitPerMinute : undefined;
  return count == null ? undefined : { count, windowMs: minuteMs };
}
