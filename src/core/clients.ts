import { type Client, type ClientSettings, clientChecks, newClient, type Scope, toScopes } from "../model/client.ts";
import { checkFields, invalidField, notFound } from "../model/errors.ts";
import { clientIdLength, isClientId } from "../model/ids.ts";
import { decodeCursor, encodeCursor, type Page, pageOf, pageSize } from "../model/page.ts";
import type { ClientStore } from "../ports/client-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { AccessToken, AccessTokens, ApiKeys } from "../ports/credentials.ts";
import type { Authentication } from "./authentication.ts";
import { changeRecord } from "./change-record.ts";
import type { ImageJobs } from "./image-jobs.ts";
import { randomId } from "./random-id.ts";

const graceMaxMs = 30 * 24 * 60 * 60 * 1000;

export interface ClientToken extends AccessToken {
  readonly scopes: readonly Scope[];
}

/** The services that call with keys of their own, and the administrators' keeping of them. */
export class Clients {
  readonly #store: ClientStore;
  readonly #keys: ApiKeys;
  readonly #tokens: AccessTokens;
  readonly #authentication: Authentication;
  readonly #imageJobs: ImageJobs;
  readonly #clock: Clock;

  constructor(deps: {
    clients: ClientStore;
    apiKeys: ApiKeys;
    accessTokens: AccessTokens;
    authentication: Authentication;
    imageJobs: ImageJobs;
    clock: Clock;
  }) {
    this.#store = deps.clients;
    this.#keys = deps.apiKeys;
    this.#tokens = deps.accessTokens;
    this.#authentication = deps.authentication;
    this.#imageJobs = deps.imageJobs;
    this.#clock = deps.clock;
  }

  /** The key is shown this once. */
  async create(wanted: ClientSettings): Promise<{ client: Client; key: string }> {
    const now = this.#clock();
    checkFields(clientChecks(wanted, now));
    const id = randomId(clientIdLength);
    const key = await this.#keys.issue(id);
    const client = newClient(wanted, id, key.hash, now);
    await this.#store.insert(client);
    return { client, key: key.token };
  }

  async get(id: string): Promise<Client> {
    const client = isClientId(id) ? await this.#store.get(id) : undefined;
    if (client === undefined) throw notFound("client");
    return client;
  }

  async list(wanted: { pageSize: number; pageToken: string }): Promise<Page<Client>> {
    const size = pageSize(wanted.pageSize);
    const found = await this.#store.list(decodeCursor(wanted.pageToken), size + 1);
    return pageOf(found, size, encodeCursor);
  }

  update(id: string, changes: Partial<ClientSettings>): Promise<Client> {
    return this.#change(id, (client) => {
      const { expire_time, ...checks } = clientChecks({ ...client, ...changes }, this.#clock());
      checkFields(changes.expiresAt === undefined ? checks : { ...checks, expire_time });
      return { ...client, ...changes, scopes: toScopes(changes.scopes ?? client.scopes) };
    });
  }

  /** Its jobs end with it. What fails can be done again, until the record itself goes last. */
  async delete(id: string): Promise<void> {
    await this.#change(id, (client) => ({ ...client, disabled: true }));
    await this.#imageJobs.cancelAll(id);
    if (!(await this.#store.delete(id))) throw notFound("client");
  }

  /** The old key, and the tokens made from it, work for `graceMs` more. */
  async regenerateKey(id: string, graceMs: number): Promise<{ client: Client; key: string }> {
    if (!(graceMs >= 0 && graceMs <= graceMaxMs)) throw invalidField("grace_period", "must be 0 to 30 days");
    await this.get(id);
    const key = await this.#keys.issue(id);
    const client = await this.#change(id, (current) => ({
      ...current,
      keyHash: key.hash,
      keyVersion: current.keyVersion + 1,
      previousKeyHash: graceMs > 0 ? current.keyHash : null,
      previousKeyUntil: graceMs > 0 ? Math.round(this.#clock() + graceMs) : null,
    }));
    return { client, key: key.token };
  }

  /** A token for some of the key's scopes; for all of them when none is named. */
  async exchange(key: string, wanted: readonly string[]): Promise<ClientToken> {
    if (key === "") throw invalidField("api_key", "must not be empty");
    const { client, keyVersion } = await this.#authentication.clientOfKey(key);
    const missing = wanted.find((scope) => !client.scopes.includes(scope as Scope));
    if (missing !== undefined) throw invalidField("scopes", "must be some of the client's scopes");
    const scopes = wanted.length === 0 ? client.scopes : toScopes(wanted);
    return { ...(await this.#tokens.forClient(client, keyVersion, scopes)), scopes };
  }

  #change(id: string, step: (client: Client) => Client): Promise<Client> {
    return changeRecord(
      () => this.get(id),
      (client) => ({ ...step(client), updatedAt: this.#clock(), version: client.version + 1 }),
      (client) => this.#store.replace(client),
    );
  }
}
