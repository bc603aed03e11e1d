import { randomId } from "../helpers/random-id.ts";
import { type Client, type ClientSettings, clientChecks, newClient, type Scope, toScopes } from "../model/client.ts";
import { checkFields, invalidField, notFound } from "../model/errors.ts";
import { clientIdLength, isClientId } from "../model/ids.ts";
import { decodeCursor, encodeCursor, type Page, pageOf, pageSize } from "../model/page.ts";
import type { Principal } from "../model/principal.ts";
import { dayMs } from "../model/time.ts";
import type { ClientStore } from "../ports/client-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { AccessToken, AccessTokens, ApiKeys, Secret } from "../ports/credentials.ts";
import type { Authentication } from "./admission/authentication.ts";
import { changeRecord } from "./change-record.ts";
import type { ImageJobs } from "./jobs/image-jobs.ts";

const graceMaxMs = 30 * dayMs;

export interface ClientToken extends AccessToken {
  readonly scopes: readonly Scope[];
}

interface ClientsDeps {
  readonly clients: ClientStore;
  readonly apiKeys: ApiKeys;
  readonly accessTokens: AccessTokens;
  readonly authentication: Authentication;
  readonly imageJobs: ImageJobs;
  readonly clock: Clock;
}

/** Clients, which are services that call with keys of their own, and how administrators manage them. */
export class Clients {
  readonly #deps: ClientsDeps;

  constructor(deps: ClientsDeps) {
    this.#deps = deps;
  }

  /** The key is shown this once. `by` is undefined for an operator. */
  async create(wanted: ClientSettings, by: Principal | undefined): Promise<{ client: Client; key: string }> {
    const { clients, clock } = this.#deps;
    const now = clock();
    checkFields(clientChecks(wanted, now));
    const id = randomId(clientIdLength);
    const key = await this.#issueKey(id, by);
    const client = newClient(wanted, id, key.hash, now);
    await clients.insert(client);
    return { client, key: key.token };
  }

  async get(id: string): Promise<Client> {
    const client = isClientId(id) ? await this.#deps.clients.get(id) : undefined;
    if (client === undefined) throw notFound("client");
    return client;
  }

  async list(wanted: { pageSize: number; pageToken: string }): Promise<Page<Client>> {
    const size = pageSize(wanted.pageSize);
    const found = await this.#deps.clients.list(decodeCursor(wanted.pageToken), size + 1);
    return pageOf(found, size, encodeCursor);
  }

  update(id: string, changes: Partial<ClientSettings>): Promise<Client> {
    return this.#change(id, (client) => {
      const { expire_time, ...checks } = clientChecks({ ...client, ...changes }, this.#deps.clock());
      checkFields(changes.expiresAt === undefined ? checks : { ...checks, expire_time });
      return { ...client, ...changes, scopes: toScopes(changes.scopes ?? client.scopes) };
    });
  }

  /** Cancels the client's jobs too. A call that fails can be repeated, since the record itself goes last. */
  async delete(id: string): Promise<void> {
    const { clients, imageJobs } = this.#deps;
    await this.#change(id, (client) => ({ ...client, disabled: true }));
    await imageJobs.cancelAll(id);
    if (!(await clients.delete(id))) throw notFound("client");
  }

  /** The old key, and the tokens made from it, work for `graceMs` more. */
  async regenerateKey(
    id: string,
    graceMs: number,
    by: Principal | undefined,
  ): Promise<{ client: Client; key: string }> {
    if (!(graceMs >= 0 && graceMs <= graceMaxMs)) throw invalidField("grace_period", "must be 0 to 30 days");
    await this.get(id);
    const { clock } = this.#deps;
    const key = await this.#issueKey(id, by);
    const client = await this.#change(id, (current) => ({
      ...current,
      keyHash: key.hash,
      keyVersion: current.keyVersion + 1,
      previousKeyHash: graceMs > 0 ? current.keyHash : null,
      previousKeyUntil: graceMs > 0 ? Math.round(clock() + graceMs) : null,
    }));
    return { client, key: key.token };
  }

  /** A token for some of the key's scopes; for all of them when none is named. */
  async exchange(key: string, wanted: readonly string[]): Promise<ClientToken> {
    if (key === "") throw invalidField("api_key", "must not be empty");
    const { authentication, accessTokens } = this.#deps;
    const { client, keyVersion } = await authentication.clientOfKey(key);
    const missing = wanted.find((scope) => !client.scopes.includes(scope as Scope));
    if (missing !== undefined) throw invalidField("scopes", "must be some of the client's scopes");
    const scopes = wanted.length === 0 ? client.scopes : toScopes(wanted);
    return { ...(await accessTokens.forClient(client, keyVersion, scopes)), scopes };
  }

  async #issueKey(id: string, by: Principal | undefined): Promise<Secret> {
    const { apiKeys, authentication } = this.#deps;
    const key = await apiKeys.issue(id);
    // The hash may have waited in a queue, and `by` may have lost access meanwhile.
    if (by !== undefined) await authentication.confirm(by);
    return key;
  }

  #change(id: string, step: (client: Client) => Client): Promise<Client> {
    const { clients, clock } = this.#deps;
    return changeRecord(
      () => this.get(id),
      step,
      (client) => clients.replace(client),
      clock,
    );
  }
}
