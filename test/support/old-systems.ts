import { randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import bcrypt from "bcrypt";

/** bcrypt as quick as it can be, under any of its names. */
export const hashed = (password: string, name = "2a") => bcrypt.hashSync(password, 4).replace("$2b$", `$${name}$`);

export interface OldRecord {
  readonly id: string;
  readonly username?: string;
  readonly email?: string;
  readonly hash?: string;
  readonly name?: string;
  readonly avatar?: string;
  readonly emailVisibility?: boolean;
  readonly verified?: boolean;
  readonly created?: string;
}

/** The tables of users that PocketBase makes. */
const tables = {
  "0.22": `CREATE TABLE users (
    avatar TEXT DEFAULT '' NOT NULL, created TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%fZ')) NOT NULL,
    email TEXT DEFAULT '' NOT NULL, emailVisibility BOOLEAN DEFAULT FALSE NOT NULL, id TEXT PRIMARY KEY NOT NULL,
    lastResetSentAt TEXT DEFAULT '' NOT NULL, name TEXT DEFAULT '' NOT NULL, passwordHash TEXT NOT NULL,
    tokenKey TEXT NOT NULL, updated TEXT DEFAULT '' NOT NULL, username TEXT NOT NULL, verified BOOLEAN DEFAULT FALSE NOT NULL)`,
  "0.23": `CREATE TABLE users (
    avatar TEXT DEFAULT '' NOT NULL, created TEXT DEFAULT '' NOT NULL, email TEXT DEFAULT '' NOT NULL,
    emailVisibility BOOLEAN DEFAULT FALSE NOT NULL, id TEXT PRIMARY KEY NOT NULL, name TEXT DEFAULT '' NOT NULL,
    password TEXT DEFAULT '' NOT NULL, tokenKey TEXT DEFAULT '' NOT NULL, updated TEXT DEFAULT '' NOT NULL,
    verified BOOLEAN DEFAULT FALSE NOT NULL)`,
};

/** A `data.db`; from 0.23 on users have no name. */
export function writePocketBase(path: string, version: keyof typeof tables, records: readonly OldRecord[]): string {
  const db = new DatabaseSync(path);
  db.exec(`PRAGMA journal_mode = WAL; ${tables[version]}; BEGIN`);
  const hash = version === "0.22" ? "passwordHash" : "password";
  for (const record of records) {
    const { id, username = "", email = "", name = "", avatar = "" } = record;
    const row = {
      ...{ id, email, name, avatar, [hash]: record.hash ?? "", tokenKey: "a token key" },
      ...(version === "0.22" ? { username } : {}),
      emailVisibility: Number(record.emailVisibility ?? false),
      verified: Number(record.verified ?? false),
      created: record.created ?? "2022-11-22 02:24:23.329Z",
    };
    const columns = Object.keys(row);
    db.prepare(`INSERT INTO users (${columns}) VALUES (${columns.map(() => "?")})`).run(...Object.values(row));
  }
  db.exec("COMMIT");
  db.close();
  return path;
}

export type Cell = string | number | boolean | null | object;

/** As `\copy … csv header` writes it: null is nothing, an empty text is `""`. */
export function toCsv(rows: readonly Readonly<Record<string, Cell>>[]): string {
  const lines = rows.map((row) => Object.values(row).map(csvCell).join(","));
  return [Object.keys(rows[0] ?? {}).join(","), ...lines, ""].join("\n");
}

function csvCell(value: Cell): string {
  if (value === null) return "";
  if (typeof value === "boolean") return value ? "t" : "f";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A row of `auth.users` with what matters of its columns, and some that do not. */
export function supabaseRow(change: Readonly<Record<string, Cell>> = {}): Record<string, Cell> {
  return {
    instance_id: "00000000-0000-0000-0000-000000000000",
    id: randomUUID(),
    aud: "authenticated",
    role: "authenticated",
    email: `${randomUUID().slice(0, 8)}@example.org`,
    encrypted_password: hashed("the old password"),
    confirmation_token: "",
    raw_app_meta_data: { provider: "email", providers: ["email"] },
    raw_user_meta_data: { sub: "x", email: "x", email_verified: true, phone_verified: false },
    created_at: "2023-11-20 10:11:12.345678+00",
    phone: null,
    banned_until: null,
    is_sso_user: false,
    deleted_at: null,
    is_anonymous: false,
    ...change,
  };
}
