import { sqliteAccountStore } from "../../src/adapters/sqlite/account-store.ts";
import { sqliteImageStore } from "../../src/adapters/sqlite/image-store.ts";
import { sqliteJobStore } from "../../src/adapters/sqlite/job-store.ts";
import { sqliteSecretStore } from "../../src/adapters/sqlite/secret-store.ts";
import { sqliteSessionStore } from "../../src/adapters/sqlite/session-store.ts";
import { accountStoreContract } from "../contracts/account-store.ts";
import { imageStoreContract } from "../contracts/image-store.ts";
import { jobStoreContract } from "../contracts/job-store.ts";
import { queueContract } from "../contracts/queue.ts";
import { secretStoreContract } from "../contracts/secret-store.ts";
import { sessionStoreContract } from "../contracts/session-store.ts";
import { openedStore, sqliteQueueHarness } from "./sqlite-harness.ts";

accountStoreContract("SQLite", () => openedStore(sqliteAccountStore));
sessionStoreContract("SQLite", () => openedStore(sqliteSessionStore));
jobStoreContract("SQLite", (due) => openedStore((db) => sqliteJobStore(db, due)));
imageStoreContract("SQLite", () => openedStore(sqliteImageStore));
secretStoreContract("SQLite", () => openedStore(sqliteSecretStore));
queueContract("SQLite", sqliteQueueHarness);
