import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Audit } from "../../core/audit.ts";
import type { Clients } from "../../core/clients.ts";
import { type AuditAction, auditSubject } from "../../model/audit.ts";
import { principalOf } from "../../model/call.ts";
import type { Client } from "../../model/client.ts";
import { changing, deleting, listing, making, reading, regenerating } from "./client-schemas.ts";
import { type ClientBody, changesOf, someOf, toJson } from "./client-shape.ts";

const path = "/admin/clients";
/** A client that is made by the old relay's path has the scope `relay`, as all of its clients had. */
const unset = { name: "", description: "", scopes: ["relay"], expiresAt: null, limitPerMinute: null, disabled: false };

interface ById {
  readonly Params: { readonly id: string };
}

/** The keeping of API clients by the old relay's paths, for administrators. */
export function addClientRoutes(
  app: FastifyInstance,
  { audit, clients }: { readonly audit: Audit; readonly clients: Clients },
): void {
  const kept = <Result>(request: FastifyRequest<ById>, action: AuditAction, act: () => Promise<Result>) =>
    audit.keep(request.call, action, act, () => auditSubject("client", request.params.id));

  app.get<{ Querystring: { page_size: number; page_token: string } }>(path, { schema: listing }, async ({ query }) => {
    const page = await clients.list({ pageSize: query.page_size, pageToken: query.page_token });
    return { clients: page.items.map(toJson), next_page_token: page.nextPageToken };
  });

  app.post<{ Body: ClientBody }>(path, { schema: making }, async (request, reply) => {
    const made = await audit.keep(
      request.call,
      "client.created",
      () => clients.create({ ...unset, ...changesOf(request.body) }, principalOf(request.call)),
      (result) => auditSubject("client", result?.client.id),
    );
    return reply.code(201).send(withKey(made));
  });

  app.get<ById>(`${path}/:id`, { schema: reading }, async ({ params }) => toJson(await clients.get(params.id)));

  app.patch<ById & { Body: ClientBody }>(`${path}/:id`, { schema: changing }, async (request) => {
    const { params, body } = request;
    const change = async () => clients.update(params.id, someOf(changesOf(body)));
    return toJson(await kept(request, "client.updated", change));
  });

  app.delete<ById>(`${path}/:id`, { schema: deleting }, async (request, reply) => {
    await kept(request, "client.deleted", () => clients.delete(request.params.id));
    return reply.code(204).send();
  });

  app.post<ById & { Body: { grace_period?: number } | null }>(
    `${path}/:id/regenerate-key`,
    { schema: regenerating },
    async (request) => {
      const graceMs = (request.body?.grace_period ?? 0) * 1000;
      const renew = () => clients.regenerateKey(request.params.id, graceMs, principalOf(request.call));
      return withKey(await kept(request, "client.key_regenerated", renew));
    },
  );
}

/** The key is shown only once. */
function withKey({ client, key }: { client: Client; key: string }) {
  return { ...toJson(client), api_key: key };
}
