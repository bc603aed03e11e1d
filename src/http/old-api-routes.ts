import type { FastifyInstance, FastifyReply } from "fastify";
import type { UseCases } from "../core/use-cases.ts";
import type { Log } from "../ports/log.ts";
import type { FastRoute } from "./common/fast-routes.ts";

/** All that the other routes know of an old system's: without its line in `routes.ts` it is gone. */
export interface OldApiRoutes {
  add(app: FastifyInstance, core: UseCases, log: Log): void | Promise<void>;
  /** Those of its routes that need not go by Fastify, by their URL. */
  fastRoutes?(app: FastifyInstance, core: UseCases): Readonly<Record<string, FastRoute>>;
  /** A URL in the spelling of its routes, where the system takes others too. */
  toRoute?(url: string): string;
  /** How it answers a path that is its own and cannot be decoded, or has too long a part. */
  readonly unreadable?: { isOwn(url: string): boolean; answer(reply: FastifyReply): void };
}
