import { type DomainError, invalidField } from "./errors.ts";

/** Where a page begins: after this record, newest first. */
export interface Cursor {
  readonly createdAt: number;
  readonly id: string;
}

export const pageSizeMax = 100;
const pageSizeDefault = 50;
/** Longer than any token that is given out. */
const tokenMax = 2000;

export function pageSize(requested: number): number {
  if (requested === 0) return pageSizeDefault;
  if (requested < 0 || requested > pageSizeMax) throw invalidField("page_size", `must be 0 to ${pageSizeMax}`);
  return requested;
}

/** A part of a list, in the list's order. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

/** The first `size` of `found`, which was read with one more to see whether there is another page. */
export function pageOf<Item>(found: readonly Item[], size: number, tokenAfter: (last: Item) => string): Page<Item> {
  const items = found.slice(0, size);
  const last = items.at(-1);
  return { items, nextPageToken: found.length > size && last !== undefined ? tokenAfter(last) : "" };
}

/** The token of a page that begins after a record's key. */
export function encodeKey(key: string): string {
  return Buffer.from(key).toString("base64url");
}

export function decodeKey(token: string): string | undefined {
  if (token === "") return undefined;
  const key = Buffer.from(token.slice(0, tokenMax), "base64url").toString();
  if (encodeKey(key) !== token) throw invalidPageToken();
  return key;
}

export function encodeCursor({ createdAt, id }: Cursor): string {
  return encodeKey(`${createdAt}.${id}`);
}

export function decodeCursor(token: string): Cursor | undefined {
  const key = decodeKey(token);
  if (key === undefined) return undefined;
  const [, createdAt, id] = /^(\d{1,15})\.([A-Za-z0-9_-]{1,64})$/.exec(key) ?? [];
  if (createdAt === undefined || id === undefined) throw invalidPageToken();
  return { createdAt: Number(createdAt), id };
}

export function invalidPageToken(more = ""): DomainError {
  return invalidField("page_token", `must be a next_page_token of an earlier answer${more}`);
}
