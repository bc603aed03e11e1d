import type { Account } from "../../model/account.ts";
import { usersCollectionId } from "../../model/surface.ts";

/** An account as PocketBase shows a record. Only its owner is shown an address that is not public. */
export function toRecord({ recordId: id, username, email, metadata, ...account }: Account, reader: "owner" | "anyone") {
  const emailVisibility = metadata.emailVisibility === true;
  return {
    avatar: textOf(metadata.avatar),
    collectionId: usersCollectionId,
    collectionName: "users",
    created: timeOf(account.createdAt),
    ...(reader === "owner" || emailVisibility ? { email: email ?? "" } : {}),
    emailVisibility,
    id,
    name: textOf(metadata.name),
    updated: timeOf(account.updatedAt),
    username,
    verified: false,
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function timeOf(at: number): string {
  return new Date(at).toISOString().replace("T", " ");
}
