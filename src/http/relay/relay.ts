import type { FastifyInstance } from "fastify";
import type { UseCases } from "../../core/use-cases.ts";
import type { Log } from "../../ports/log.ts";
import { readJsonBodies } from "../common/json-bodies.ts";
import { addKeySetRoute } from "../common/key-set.ts";
import type { OldApiRoutes } from "../old-api-routes.ts";
import { addClientRoutes } from "./clients.ts";
import { addTokenRoute } from "./token.ts";

const identityKeys = { summary: "The keys that a relayed call's identity is checked with", tags: ["Relay"] };

/** The routes of the Relay Service. */
export const relay: OldApiRoutes = { add: addRoutes };

async function addRoutes(app: FastifyInstance, core: UseCases, log: Log): Promise<void> {
  await app.register(async (scope) => {
    readJsonBodies(scope, "application/json");
    await scope.register((forms) => addTokenRoute(forms, core));
    addClientRoutes(scope, core);
  });
  if (core.relay === undefined) return;
  const { settings, identities } = core.relay;
  addKeySetRoute(app, "/relay/jwks.json", identities, identityKeys);
  // Its packages are loaded only where something is relayed.
  const { addForwardRoute } = await import("./forward.ts");
  await app.register((scope) => addForwardRoute(scope, { ...core, settings, identities, log }));
}
