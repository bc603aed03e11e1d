import { invalidField } from "./errors.ts";

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

/** Some of a list, in its order. */
export interface Page<Item> {
  readonly items: readonly Item[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

/** The page that `found` begins, read with one more than `size` to see whether there is another. */
export function pageOf<Item>(found: readonly Item[], size: number, tokenAfter: (last: Item) => string): Page<Item> {
  const items = found.slice(0, size);
  const last = items.at(-1);
  return { items, nextPageToken: found.length > size && last !== undefined ? tokenAfter(last) : "" };
}

/** A page that goes on after a key of its records. */
export function encodeKey(key: string): string {
  return Buffer.from(key).toString("base64url");
}

export function decodeKey(token: string): string | undefined {
  if (token === "") return undefined;
  const key = Buffer.from(token.slice(0, tokenMax), "base64url").toString();
  if (encodeKey(key) !== token) throw invalidField("page_token", "must be a next_page_token of an earlier answer");
  return key;
}

export function encodeCursor(cursor: Cursor): string {
  return Buffer.from(`${cursor.createdAt}.${cursor.id}`).toString("base64url");
}

export function decodeCursor(token: string): Cursor | undefined {
  if (token === "") return undefined;
  const match = /^(\d{1,15})\.([A-Za-z0-9_-]{1,64})$/.exec(
    Buffer.from(token.slice(0, 200), "base64url").toString("latin1"),
  );
  if (match?.[1] === undefined || match[2] === undefined) {
    throw invalidField("page_token", "must be a next_page_token of an earlier answer");
  }
  return { createdAt: Number(match[1]), id: match[2] };
}
