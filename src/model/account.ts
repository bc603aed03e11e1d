import { domainToASCII, domainToUnicode } from "node:url";
import { DomainError, type FieldViolation, invalidFields } from "./errors.ts";
import { textRule, utf8Length } from "./text.ts";

export type Role = "user" | "admin";

export interface Account {
  /** UUID. */
  readonly id: string;
  /** 15 characters a–z0–9, unique: the id that PocketBase's SDK knows the account by. */
  readonly recordId: string;
  readonly username: string;
  readonly email: string | null;
  /** Names as they are compared and unique: lower case, never null; an absent email is filled from the id. */
  readonly usernameKey: string;
  readonly emailKey: string;
  readonly passwordHash: string;
  readonly role: Role;
  readonly disabled: boolean;
  /** A token that sets a new password, if one was issued. */
  readonly passwordReset: HandedOut | null;
  /** A token that makes `email` the account's address, if one was issued. */
  readonly emailChange: (HandedOut & { readonly email: string }) | null;
  /** What the account's owner, or a front end of theirs, keeps there: at most `metadataMaxBytes` as JSON. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Grows with each write that ends the account's sessions. */
  readonly sessionEpoch: number;
  /** The one older session that stays alive: it made the last such change. */
  readonly keptSessionId: string | null;
  /** When the account was deleted; set while its data is being deleted. */
  readonly deletedAt: number | null;
  /** Milliseconds since the epoch, as every time in the model. */
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly version: number;
}

interface HandedOut {
  /** SHA-256 of the token. */
  readonly hash: string;
  readonly expiresAt: number;
}

/** bcrypt reads no more bytes than this; longer passwords are refused, never cut. */
export const passwordMaxBytes = 72;
export const passwordMinLength = 8;
/** What somebody would try first here, with digits and signs around it. */
const contextWords = ["darkroom", "darkroomadmin", "admindarkroom"];
const identityMax = 254;
const usernamePattern = /^[A-Za-z0-9._-]{3,64}$/;
// Only what can be said without sending mail: one @, no blanks or control characters, a dot-separated domain.
const emailPattern = /^[^\s@\p{C}]{1,64}@[^\s@.\p{C}]+(\.[^\s@.\p{C}]+)*$/u;
/** Quotes, comments, lists and address literals. */
const mailSyntax = /[()<>[\]\\,;:"]/;

export const recordIdLength = 15;
const recordIdPattern = new RegExp(`^[a-z0-9]{${recordIdLength}}$`);

/** Bytes of the metadata as JSON. */
const metadataMaxBytes = 16 * 1024;
const metadataMaxLevels = 50;

export function recordIdRule(id: string): string | undefined {
  return recordIdPattern.test(id) ? undefined : `must be ${recordIdLength} of a–z and 0–9`;
}

export function metadataRule(metadata: Readonly<Record<string, unknown>>): string | undefined {
  if (!isStorable(metadata, metadataMaxLevels))
    return `must have at most ${metadataMaxLevels} levels, and no key that begins with $, has a zero byte or is _bsontype`;
  const bytes = utf8Length(JSON.stringify(metadata));
  return bytes > metadataMaxBytes ? `must have at most ${metadataMaxBytes} bytes as JSON` : undefined;
}

/** Not every database can keep all that JSON can say. */
function isStorable(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  const fields = Object.entries(value);
  return levels > 0 && fields.every(([key, each]) => !/^\$|\0|^_bsontype$/.test(key) && isStorable(each, levels - 1));
}

export function usernameRule(username: string): string | undefined {
  return usernamePattern.test(username) ? undefined : "must be 3 to 64 of letters, digits, '.', '_' and '-'";
}

/** For an address that is to be set or written to: mail servers treat other spellings as the same mailbox. */
export function emailRule(email: string): string | undefined {
  const broken = knownEmailRule(email);
  if (broken !== undefined) return broken;
  if (mailSyntax.test(email)) return `must have none of ()<>[]\\,;:"`;
  return isUsualDomain(nameKey(email.slice(email.indexOf("@") + 1)))
    ? undefined
    : "must have its domain in the usual spelling";
}

/**
 * Whether the domain is its ASCII form, as DNS looks it up, or what that is displayed as: fullwidth letters and the
 * like are neither.
 */
function isUsualDomain(domain: string): boolean {
  const ascii = domainToASCII(domain);
  return ascii !== "" && (domain === ascii || domain === domainToUnicode(ascii));
}

/** For an address that somebody may have, by an import too. */
export function knownEmailRule(email: string): string | undefined {
  return (
    textRule(email, { min: 1, max: identityMax }) ?? (emailPattern.test(email) ? undefined : "must be an email address")
  );
}

export function identityRule(identity: string): string | undefined {
  return textRule(identity, { min: 1, max: identityMax });
}

/** For a password that somebody signs in with: only what no stored hash can match is refused. */
export function passwordRule(password: string): string | undefined {
  if (password === "") return "must not be empty";
  if (!password.isWellFormed() || password.includes("\uFFFD")) return "must be valid UTF-8";
  if (password.includes("\0")) return "must not contain a zero byte";
  return utf8Length(password) > passwordMaxBytes ? `must have at most ${passwordMaxBytes} bytes` : undefined;
}

/** For a password that is to be set. */
export function newPasswordRule(password: string, isCommon: (password: string) => boolean): string | undefined {
  const broken = passwordRule(password);
  if (broken !== undefined) return broken;
  if ([...password].length < passwordMinLength) return `must have at least ${passwordMinLength} characters`;
  const letters = password.toLowerCase().replace(/[^a-z]/g, "");
  if (contextWords.includes(letters)) return "is easy to guess here; choose another";
  return isCommon(password) ? "is one of the most common passwords; choose another" : undefined;
}

/** For looking accounts up by what their names begin with. */
export function accountQueryRule(query: string): string | undefined {
  return textRule(query, { min: 0, max: identityMax });
}

/** How names are compared. Full Unicode lower case, in no locale. */
export function nameKey(name: string): string {
  return name.toLowerCase();
}

/** A username has no `@`, so an identity with one is an email address. */
export function isEmail(identity: string): boolean {
  return identity.includes("@");
}

type OwnFields = "id" | "recordId" | "username" | "email" | "passwordHash";

/** An account that nobody has used yet. */
export function newAccount(
  own: Pick<Account, OwnFields> & Partial<Pick<Account, "role" | "disabled" | "metadata" | "createdAt">>,
  now: number,
): Account {
  const { id, username, email } = own;
  const names = { usernameKey: nameKey(username), emailKey: email === null ? id : nameKey(email) };
  const unused = { passwordReset: null, emailChange: null, sessionEpoch: 0, keptSessionId: null, deletedAt: null };
  const plain = { role: "user", disabled: false, metadata: {}, createdAt: now } as const;
  return { ...plain, ...own, ...names, ...unused, updatedAt: now, version: 1 };
}

/** Says which of the names are taken: for callers who may know. */
export function accountExists(violations: readonly FieldViolation[], cause?: unknown): DomainError {
  return new DomainError("already_exists", "ACCOUNT_EXISTS", invalidFields(violations).message, { violations, cause });
}

/** The account with a new password, which ends the access of whoever used the old one. */
export function withPassword(account: Account, passwordHash: string, keptSessionId: string | null): Account {
  return { ...shut(account, keptSessionId), passwordHash };
}

/**
 * The account without any access but by the password and one session. The other sessions end before their records are
 * deleted. All tokens are void, since whoever holds one may be the intruder.
 */
export function shut(account: Account, keptSessionId: string | null = null): Account {
  const spent = { passwordReset: null, emailChange: null };
  return { ...account, ...spent, sessionEpoch: account.sessionEpoch + 1, keptSessionId };
}

/** A deleted account until its data is deleted: it belongs to nobody, and its names are free. */
export function buried(account: Account, now: number): Account {
  const { id } = account;
  // An id can be somebody's username; what has an @ cannot.
  const names = { recordId: id, username: id, usernameKey: `@${id}`, email: null, emailKey: id };
  const rights = { role: "user", disabled: true, passwordReset: null, emailChange: null, metadata: {} } as const;
  return { ...account, ...names, ...rights, deletedAt: now };
}
