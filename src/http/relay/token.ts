import formbody from "@fastify/formbody";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Audit } from "../../core/audit.ts";
import type { Clients, ClientToken } from "../../core/clients.ts";
import { auditKeyOwner } from "../../model/audit.ts";
import { credentialOf } from "../../model/auth-headers.ts";
import { DomainError } from "../../model/errors.ts";
import { sendJson } from "../common/refusal.ts";
import { clientCredentials, invalidClient, isOAuth, type OAuthError, refused } from "./client-credentials.ts";
import { tokenSchema as schema } from "./token-schema.ts";

/** The route by which clients exchange their API key for a token. */
export async function addTokenRoute(
  app: FastifyInstance,
  { audit, clients }: { readonly audit: Audit; readonly clients: Clients },
): Promise<void> {
  await app.register(formbody);

  const exchange = (request: FastifyRequest, key: string, scopes: readonly string[]) =>
    audit.keep(
      request.call,
      "client.key_exchanged",
      () => clients.exchange(key, scopes),
      () => auditKeyOwner(key),
    );

  async function exchangeByOAuth(request: FastifyRequest): Promise<object> {
    const wanted = clientCredentials(request);
    if ("error" in wanted) return wanted;
    try {
      const token = await exchange(request, wanted.key, wanted.scopes);
      return { ...answerOf(token), scope: token.scopes.join(" ") };
    } catch (error) {
      return oauthErrorOf(error);
    }
  }

  app.post<{ Body: { api_key?: string } | null }>("/auth/token", { schema }, async (request, reply) => {
    reply.header("pragma", "no-cache");
    if (isOAuth(request)) return sendOAuth(reply, await exchangeByOAuth(request));
    const key = request.body?.api_key ?? credentialOf(request.call) ?? "";
    return answerOf(await exchange(request, key, []));
  });
}

function answerOf({ token, issuedAt, expiresAt }: ClientToken): object {
  return { access_token: token, token_type: "bearer", expires_in: (expiresAt - issuedAt) / 1000 };
}

function sendOAuth(reply: FastifyReply, answer: object): FastifyReply {
  if (!("error" in answer)) return reply.send(answer);
  const isUnknown = answer.error === "invalid_client";
  if (isUnknown) reply.header("www-authenticate", 'Basic realm="darkroom"');
  return sendJson(reply, isUnknown ? 401 : 400, answer);
}

/** The error in OAuth's terms. One that OAuth has no name for, such as too much load, is thrown again. */
function oauthErrorOf(error: unknown): OAuthError {
  if (!(error instanceof DomainError)) throw error;
  if (error.code === "unauthenticated") return invalidClient;
  if (error.code === "invalid_argument") return refused("invalid_scope", error.message);
  throw error;
}
