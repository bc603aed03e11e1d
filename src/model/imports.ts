import { type Account, knownEmailRule, metadataRule, recordIdRule, usernameRule } from "./account.ts";
import { type ClientSettings, clientChecks, type Scope, scopes } from "./client.ts";
import { uuidSource } from "./ids.ts";

/** An account as another system has it. What that system does not store is empty, false or undefined. */
export interface ForeignUser {
  readonly id: string;
  readonly username: string;
  readonly email: string;
  readonly passwordHash: string;
  readonly metadata: Account["metadata"];
  readonly createdAt: number | undefined;
  readonly isDeleted: boolean;
  readonly isAnonymous: boolean;
  /** Whether another identity provider signs the user in. */
  readonly isSso: boolean;
  readonly bannedUntil: number | undefined;
}

/** A system that accounts come from. */
export interface UserSource {
  /** Which of our account's two ids keeps the user's id from that system. */
  readonly keeps: "id" | "recordId";
  /** What its fields are called there. */
  readonly names: Readonly<Record<"username" | "email" | "passwordHash" | "metadata", string>>;
}

/** A client as the old relay has it. */
export interface ForeignClient {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** Undefined where the relay has none. */
  readonly scopes: readonly string[] | undefined;
  readonly expiresAt: number | null;
  readonly limitPerMinute: number | null;
  readonly disabled: boolean;
  readonly createdAt: number | undefined;
  /** What its fields are called there, by the API's names. */
  readonly names: Readonly<Record<string, string>>;
}

const uuidPattern = new RegExp(`^${uuidSource}$`);
const bcryptPattern = /^\$2[aby]\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}$/;
/** What the old relay gave to each of its clients. */
const defaultScopes: readonly Scope[] = ["relay"];
/** Darkroom's `admin` is the right to everything, which another system did not mean by it. */
const takenScopes = scopes.filter((scope) => scope !== "admin");

/** Why a user is not imported, for the operator to read; undefined for one who is. */
export function leftBehind({ isDeleted, isAnonymous, isSso, username, email }: ForeignUser): string | undefined {
  if (isDeleted) return "was deleted";
  if (isAnonymous) return "is anonymous";
  if (isSso) return "signs in by single sign-on, which Darkroom has not";
  return username === "" && email === "" ? "has neither a name nor an address to sign in by" : undefined;
}

/** The rules of the fields by their names in the source. */
export function foreignUserChecks(user: ForeignUser, { keeps, names }: UserSource) {
  const unlessEmpty = (text: string, rule: (text: string) => string | undefined) => () =>
    text === "" ? undefined : rule(text);
  return {
    id: () => foreignIdRule(user.id, keeps),
    [names.username]: unlessEmpty(user.username, usernameRule),
    [names.email]: unlessEmpty(user.email, knownEmailRule),
    [names.passwordHash]: unlessEmpty(user.passwordHash, passwordHashRule),
    [names.metadata]: () => metadataRule(user.metadata),
  };
}

export function foreignIdRule(id: string, keeps: UserSource["keeps"]): string | undefined {
  if (keeps === "recordId") return recordIdRule(id);
  return uuidPattern.test(id) ? undefined : "must be a UUID in lower case";
}

function passwordHashRule(hash: string): string | undefined {
  return bcryptPattern.test(hash) ? undefined : "must be a bcrypt hash ($2a$, $2b$ or $2y$) of cost 4 to 15";
}

/** `$2y$` is another name of `$2b$`, and one that our bcrypt does not know. */
export function knownHash(hash: string): string {
  return hash.replace(/^\$2y\$/, "$2b$");
}

/** The client's settings here. Its scopes are `chosen` when an operator chose, else those that it had there. */
export function settingsOf(client: ForeignClient, chosen: readonly string[] | undefined): ClientSettings {
  const { name, description, expiresAt, limitPerMinute, disabled } = client;
  const wanted = chosen ?? client.scopes ?? defaultScopes;
  return { name, description, expiresAt, limitPerMinute, disabled, scopes: wanted };
}

/** The rules of the fields by their names in the source. An expired client may be imported. */
export function foreignClientChecks(client: ForeignClient, settings: ClientSettings, isChosen: boolean) {
  const { expire_time: _, scopes: chosenRule, ...checks } = clientChecks(settings, 0);
  const named = Object.entries(checks).map(([field, check]) => [client.names[field] ?? field, check] as const);
  return {
    ...Object.fromEntries(named),
    ...(isChosen
      ? { "--scope": chosenRule }
      : { [client.names.scopes ?? "scopes"]: () => takenScopesRule(settings.scopes) }),
  };
}

function takenScopesRule(wanted: readonly string[]): string | undefined {
  const known: readonly string[] = takenScopes;
  if (wanted.every((scope) => known.includes(scope))) return undefined;
  return `must be any of: ${takenScopes.join(", ")}; or choose by --scope what all of them may do`;
}
