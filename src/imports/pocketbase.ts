import { NotPocketBase, pocketbaseUsers } from "../adapters/sqlite/pocketbase.ts";
import { type ForeignUser, foreignIdRule, type UserSource } from "../model/imports.ts";
import { UserError } from "../user-error.ts";
import { readHead } from "./head.ts";
import type { Row, Values } from "./rows.ts";
import { flagOf, textOf, timeOf } from "./values.ts";

const columns = [
  "id",
  "username",
  "email",
  "emailVisibility",
  "verified",
  "passwordHash",
  "password",
  "name",
  "avatar",
  "created",
];

export const pocketbase: UserSource = {
  keeps: "recordId",
  names: { username: "username", email: "email", passwordHash: "password", metadata: "name, avatar" },
};

/** The users in PocketBase's `data.db`. */
export async function openPocketbase(path: string): Promise<Iterable<Row>> {
  await readHead(path);
  return rowsOf(path);
}

function* rowsOf(path: string): Generator<Row> {
  let row = 0;
  try {
    for (const values of pocketbaseUsers(path, columns)) {
      row += 1;
      const id = String(values.id);
      yield { place: foreignIdRule(id, pocketbase.keeps) === undefined ? `record ${id}` : `row ${row}`, values };
    }
  } catch (error) {
    throw error instanceof NotPocketBase ? new UserError(`${path}: ${error.message}`) : error;
  }
}

export function pocketbaseUser(values: Values): ForeignUser {
  return {
    id: textOf(values, "id"),
    username: textOf(values, "username"),
    email: textOf(values, "email"),
    // The column's names before PocketBase 0.23 and from then on.
    passwordHash: textOf(values, "passwordHash") || textOf(values, "password"),
    metadata: metadataOf(values),
    createdAt: timeOf(values, "created"),
    isDeleted: false,
    isAnonymous: false,
    isSso: false,
    bannedUntil: undefined,
  };
}

/** Fields that are empty in PocketBase are not kept. */
function metadataOf(values: Values): Record<string, unknown> {
  const all = {
    name: textOf(values, "name"),
    avatar: textOf(values, "avatar"),
    emailVisibility: flagOf(values, "emailVisibility"),
    verified: flagOf(values, "verified"),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => Boolean(value)));
}
