import type { FastifyContextConfig, FastifySchema } from "fastify";
import { isOpen, takesSessionCookie } from "../../model/access.ts";
import { healthChecks } from "../../model/rate-limits.ts";
import { problemAnswer } from "../common/schema.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** How the document describes a refusal of this route that is no RFC 9457 problem. */
    readonly refusalAnswer?: (description: string) => object;
  }
}

const spared: readonly string[] = healthChecks;

/** Refusals by status; `of` says which operations have one. */
const refusals: Readonly<Record<number, { readonly description: string; of(about: About): boolean }>> = {
  400: {
    description: "Something is malformed or breaks its rule.",
    of: ({ isRead, hasParams }) => isRead || hasParams,
  },
  401: { description: "The credential is missing or not valid.", of: ({ isGuarded }) => isGuarded },
  403: { description: "The credential may not make this call.", of: ({ isGuarded }) => isGuarded },
  413: { description: "The body is larger than 64 KiB.", of: ({ hasBody }) => hasBody },
  414: { description: "A part of the path is longer than 128 characters.", of: ({ hasParams }) => hasParams },
  415: { description: "The body is of another type.", of: ({ hasBody }) => hasBody },
  429: { description: "Too many calls.", of: ({ isSpared }) => !isSpared },
  500: { description: "Nobody foresaw this; quote the request's id.", of: () => true },
  503: { description: "The database cannot be reached.", of: ({ isOpen, hasBody }) => !isOpen || hasBody },
};

interface About {
  readonly isOpen: boolean;
  /** Whether it refuses callers who are not known, or may not make the call, as most routes do. */
  readonly isGuarded: boolean;
  /** Whether it is answered whatever the load. */
  readonly isSpared: boolean;
  readonly hasBody: boolean;
  readonly hasParams: boolean;
  /** Whether it reads more of the request than its path. */
  readonly isRead: boolean;
}

/** The refusals of hooks and parsers, before or beside the route's own, without those that the route describes itself. */
export function refusalsOf(
  operation: string,
  { querystring, headers }: FastifySchema,
  told: Readonly<Record<string, unknown>>,
  { guest, refusalAnswer = problemAnswer }: FastifyContextConfig = {},
): Record<string, object> {
  const hasBody = !/^(GET|HEAD) /.test(operation);
  const about = {
    isOpen: isOpen(operation),
    isGuarded: !isOpen(operation) && guest === undefined,
    isSpared: spared.includes(operation),
    hasBody,
    hasParams: /[:*]/.test(operation),
    isRead: hasBody || querystring !== undefined || headers !== undefined,
  };
  const found = Object.entries(refusals).filter(([status, { of }]) => of(about) && !(`${status[0]}xx` in told));
  return Object.fromEntries(found.map(([status, { description }]) => [status, refusalAnswer(description)]));
}

/** The credentials by the table of who may call what; a route itself names any others that it takes. */
export function securityOf(operation: string): Record<string, readonly string[]>[] {
  if (isOpen(operation)) return [];
  const byCookie = takesSessionCookie(operation) ? [{ sessionCookie: [] }] : [];
  return [{ bearer: [] }, { apiKey: [] }, ...byCookie];
}
