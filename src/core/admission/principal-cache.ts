import type { Account } from "../../model/account.ts";
import type { Client, Scope } from "../../model/client.ts";
import type { ClientPrincipal, UserPrincipal } from "../../model/principal.ts";
import type { Session } from "../../model/session.ts";

/**
 * One object for each caller, for as long as its records are the same, so that data made from it (such as its limits)
 * can be kept by it.
 */
export class PrincipalCache {
  readonly #users = new WeakMap<Session, UserPrincipal>();
  readonly #clients = new WeakMap<Client, ClientPrincipal>();

  user(session: Session, account: Account): UserPrincipal {
    const known = this.#users.get(session);
    if (known?.account === account) return known;
    const user = { kind: "user", account, sessionId: session.id } as const;
    this.#users.set(session, user);
    return user;
  }

  client(client: Client, keyVersion: number, scopes: readonly Scope[]): ClientPrincipal {
    const known = this.#clients.get(client);
    if (known?.keyVersion === keyVersion && known.scopes === scopes) return known;
    const principal = { kind: "client", client, keyVersion, scopes } as const;
    this.#clients.set(client, principal);
    return principal;
  }
}
