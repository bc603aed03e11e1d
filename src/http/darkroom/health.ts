import type { FastifyInstance, FastifySchema } from "fastify";
import type { Health } from "../../core/health.ts";
import { liveness, readiness as readinessSchema } from "./health-schemas.ts";

interface HealthAnswer {
  readonly status: 200 | 503;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Each path with what it answers: whether the process lives, and whether it should be sent work. */
export const healthPaths: ReadonlyMap<string, HealthPath> = new Map<string, HealthPath>([
  ["/health", { schema: readinessSchema, answer: readiness }],
  ["/health/ready", { schema: readinessSchema, answer: readiness }],
  ["/health/live", { schema: liveness, answer: async () => ({ status: 200, body: { status: "ok" } }) }],
]);

export function addHealthRoutes(app: FastifyInstance, health: Health): void {
  for (const [path, { schema, answer }] of healthPaths) {
    app.get(path, { schema, exposeHeadRoute: true }, async (_request, reply) => {
      const { status, body } = await answer(health);
      return reply.code(status).send(body);
    });
  }
}

interface HealthPath {
  readonly schema: FastifySchema;
  answer(health: Health): Promise<HealthAnswer>;
}

/** Says nothing of hosts or reasons: anybody may ask. */
async function readiness(health: Health): Promise<HealthAnswer> {
  const { status, isReady, backends } = await health.report();
  const states = Object.entries(backends).map(([name, isUp]) => [name, isUp ? "up" : "down"]);
  return { status: isReady ? 200 : 503, body: { status, backends: Object.fromEntries(states) } };
}
