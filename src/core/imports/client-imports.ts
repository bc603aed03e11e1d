import { createHash } from "node:crypto";
import { Turns } from "../../helpers/turns.ts";
import { accountExists } from "../../model/account.ts";
import { type Client, newClient } from "../../model/client.ts";
import { checkFields } from "../../model/errors.ts";
import { clientIdLength } from "../../model/ids.ts";
import { type ForeignClient, foreignClientChecks, settingsOf } from "../../model/imports.ts";
import type { AccountStore } from "../../ports/account-store.ts";
import type { ClientStore } from "../../ports/client-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ApiKeys } from "../../ports/credentials.ts";
import { type ImportDeps, type ImportOutcome, keepImport, retry } from "./imports.ts";

interface ClientImportDeps extends ImportDeps {
  readonly accounts: Pick<AccountStore, "findByUsername">;
  readonly clients: ClientStore;
  readonly apiKeys: Pick<ApiKeys, "issue">;
  readonly clock: Clock;
  /** The scopes of all imported clients, whatever theirs were; undefined to keep theirs. */
  readonly scopes: readonly string[] | undefined;
}

/**
 * Imports clients from the old relay, with new keys: an old key does not say whose it is, and Darkroom tries no key
 * against all hashes.
 */
export class ClientImports {
  readonly #deps: ClientImportDeps;
  readonly #turns = new Turns();

  constructor(deps: ClientImportDeps) {
    this.#deps = deps;
  }

  /** Importing the same client again changes nothing, and does not show its key again. */
  async take(foreign: ForeignClient): Promise<ImportOutcome> {
    const client = this.#compose(foreign);
    return this.#turns.take([client.id], () => this.#import(client));
  }

  async #import(client: Client): Promise<ImportOutcome> {
    const { accounts, apiKeys, clients, dryRun } = this.#deps;
    const { id, name } = client;
    const held = await retry(() => clients.get(id));
    if (held !== undefined) return there(held);
    // Who knows the relay can tell the ids that its clients will get: see client-names.ts.
    if ((await retry(() => accounts.findByUsername(id))) !== undefined)
      throw accountExists([{ field: "id", rule: `becomes ${id}, which is an account's username` }]);
    const notes = client.disabled ? ["is disabled"] : [];
    if (dryRun) return { outcome: "imported", id, name, notes };
    const key = await apiKeys.issue(id);
    const others = await retry(() => this.#put({ ...client, keyHash: key.hash }));
    if (others !== undefined) return there(others);
    await keepImport(this.#deps, "client", id);
    return { outcome: "imported", id, name, key: key.token, notes };
  }

  /** Writes the client, or resolves to what another import wrote at the same time. */
  async #put(client: Client): Promise<Client | undefined> {
    const { clients } = this.#deps;
    const held = await clients.get(client.id);
    if (held === undefined) await clients.insert(client);
    // Written by this very call, whose answer was lost: nobody else has its key.
    return held?.keyHash === client.keyHash ? undefined : held;
  }

  #compose(foreign: ForeignClient): Client {
    const { clock, scopes: chosen } = this.#deps;
    const settings = settingsOf(foreign, chosen);
    checkFields(foreignClientChecks(foreign, settings, chosen !== undefined));
    return newClient(settings, clientIdOf(foreign), "", clock(), foreign.createdAt);
  }
}

function there({ id, name }: Client): ImportOutcome {
  return { outcome: "there", id, name };
}

/** The same client always gets the same id. Its name or age tells it apart from another relay's client with the same number. */
function clientIdOf({ id, name, createdAt }: ForeignClient): string {
  const identity = JSON.stringify([id || name, createdAt ?? name]);
  const digest = createHash("sha256").update(identity).digest("hex");
  return BigInt(`0x${digest}`).toString(36).padStart(clientIdLength, "0").slice(-clientIdLength);
}
