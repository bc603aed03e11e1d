import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { AuthService, Client } from "../../../gen/darkroom/auth/v1/auth_pb.ts";
import type { UseCases } from "../../core/use-cases.ts";
import type { ClientSettings } from "../../model/client.ts";
import { invalidField } from "../../model/errors.ts";
import { callOf } from "../call.ts";
import { fromDuration, fromTimestamp, toClient } from "./convert.ts";

/** API clients, and the exchange of their keys. */
export function clientCalls({ clients }: UseCases) {
  return {
    async exchangeApiKey({ apiKey, scopes }) {
      const { token, expiresAt, scopes: granted } = await clients.exchange(apiKey, scopes);
      return { accessToken: token, accessTokenExpireTime: timestampFromMs(expiresAt), scopes: [...granted] };
    },
    async createClient(request, context) {
      const { client, key } = await clients.create(settingsOf(required(request.client)), callOf(context).principal);
      return { client: toClient(client), apiKey: key };
    },
    async getClient({ clientId }) {
      return { client: toClient(await clients.get(clientId)) };
    },
    async listClients({ pageSize, pageToken }) {
      const page = await clients.list({ pageSize, pageToken });
      return { clients: page.items.map((client) => toClient(client)), nextPageToken: page.nextPageToken };
    },
    async updateClient({ client, updateMask }) {
      const wanted = required(client);
      return { client: toClient(await clients.update(wanted.id, masked(settingsOf(wanted), updateMask?.paths ?? []))) };
    },
    async deleteClient({ clientId }) {
      await clients.delete(clientId);
      return {};
    },
    async regenerateClientKey({ clientId, gracePeriod }, context) {
      const graceMs = fromDuration("grace_period", gracePeriod);
      const { client, key } = await clients.regenerateKey(clientId, graceMs, callOf(context).principal);
      return { client: toClient(client), apiKey: key };
    },
  } satisfies Partial<ServiceImpl<typeof AuthService>>;
}

const fields: Readonly<Record<string, keyof ClientSettings>> = {
  name: "name",
  description: "description",
  scopes: "scopes",
  limit_per_minute: "limitPerMinute",
  expire_time: "expiresAt",
  disabled: "disabled",
};

function required(client: Client | undefined): Client {
  if (client === undefined) throw invalidField("client", "must be given");
  return client;
}

function settingsOf({ name, description, scopes, limitPerMinute, expireTime, disabled }: Client): ClientSettings {
  const expiresAt = fromTimestamp("expire_time", expireTime) ?? null;
  return { name, description, scopes, limitPerMinute: limitPerMinute || null, expiresAt, disabled };
}

function masked(settings: ClientSettings, paths: readonly string[]): Partial<ClientSettings> {
  const known = Object.keys(fields);
  if (paths.length === 0 || !paths.every((path) => known.includes(path)))
    throw invalidField("update_mask", `must name at least one of: ${known.join(", ")}`);
  const named = paths.map((path) => fields[path]);
  return Object.fromEntries(Object.entries(settings).filter(([name]) => named.includes(name as keyof ClientSettings)));
}
