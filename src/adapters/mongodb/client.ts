import { MongoClient, type MongoClientOptions } from "mongodb";

/** How long a call waits for a server to be found, and then for a connection to it. */
const selectionTimeouts: MongoClientOptions = { serverSelectionTimeoutMS: 2000, waitQueueTimeoutMS: 2000 };

/** The URI may say otherwise. */
const tuning: MongoClientOptions = {
  appName: "darkroom",
  maxPoolSize: 50,
  connectTimeoutMS: 2000,
  // Balancers forget quiet connections without a word: Azure's after four minutes.
  maxIdleTimeMS: 120_000,
  // Far longer than any call waits (circuit-breaker.ts): it frees connections that will never answer.
  socketTimeoutMS: 60_000,
};

/** One client for each process; connects to nothing yet. Throws the driver's error for a URI that is not valid. */
export function createClient(uri: string, options: MongoClientOptions = {}): MongoClient {
  const open = Object.entries(tuning).filter(([name]) => !new RegExp(`[?&]${name}=`, "i").test(uri));
  return new MongoClient(uri, {
    ...Object.fromEntries(open),
    ...selectionTimeouts,
    // As in JSON: a field that is undefined is not stored.
    ignoreUndefined: true,
    ...options,
  });
}
