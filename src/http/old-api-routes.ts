import type { FastifyInstance, FastifyReply } from "fastify";
import type { UseCases } from "../core/use-cases.ts";
import type { Log } from "../ports/log.ts";
import type { FastRoute } from "./common/fast-routes.ts";

/** All that other code knows of an old system's routes: without their line in `routes.ts` they are gone. */
export interface OldApiRoutes {
  add(app: FastifyInstance, core: UseCases, log: Log): void | Promise<void>;
  /** The routes that need not go by Fastify, by their URL. */
  fastRoutes?(app: FastifyInstance, core: UseCases): Readonly<Record<string, FastRoute>>;
  /** Rewrites a URL to the spelling of the routes, where the old system accepts other spellings too. */
  toRoute?(url: string): string;
  /** How it answers a path that is its own and cannot be decoded, or has too long a part. */
  readonly unreadable?: { isOwn(url: string): boolean; answer(reply: FastifyReply): void };
}
