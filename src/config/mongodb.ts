import { ConfigError } from "./error.ts";
import type { Reader } from "./reader.ts";

export interface MongodbConfig {
  /** Holds a password: for the driver alone. */
  readonly uri: string;
  readonly database: string;
  /** The variable that the URI came from. */
  readonly variable: string;
}

const host = String.raw`(\[[\da-f:.]+\]|[^\s/?#@:,[\]]+)(:\d{1,5})?`;
/** The driver's rule, except for invalid hosts: in such a place stands a part of a password that was not percent-encoded. */
const uriPattern = new RegExp(
  String.raw`^mongodb(\+srv)?://([^\s:@]+(:[^\s@]*)?@)?${host}(,${host})*(/(?<database>[^\s/?#@]*))?(\?[^\s#]*)?$`,
  "i",
);

/** Undefined for the embedded database. Errors repeat no part of the URI: a password may be anywhere in it. */
export function readMongodb(read: Reader): MongodbConfig | undefined {
  const variable = read.text("MONGODB_URI") === undefined ? "DATABASE_URL" : "MONGODB_URI";
  const uri = read.text(variable);
  const name = read.text("MONGODB_DATABASE");
  // DATABASE_URL may be another program's.
  if (uri === undefined || (variable === "DATABASE_URL" && !uri.startsWith("mongodb"))) {
    if (name !== undefined) throw new ConfigError("MONGODB_DATABASE", "must be given with MONGODB_URI");
    return undefined;
  }
  const parts = uriPattern.exec(uri);
  if (parts === null) {
    const shape = "mongodb://user:password@host:27017/database or mongodb+srv://user:password@host/database";
    throw new ConfigError(variable, `must be like ${shape}, with special characters in the password percent-encoded`);
  }
  const database = name ?? (parts.groups?.database || "darkroom");
  if (!/^[\w-]{1,63}$/.test(database))
    throw new ConfigError("MONGODB_DATABASE", "must be 1 to 63 letters, digits, '_' and '-'");
  return { uri, database, variable };
}
