import { mongodbAccountStore } from "../../src/adapters/mongodb/account-store.ts";
import { mongodbBlobStore } from "../../src/adapters/mongodb/blob-store.ts";
import { mongodbClientStore } from "../../src/adapters/mongodb/client-store.ts";
import { mongodbImageStore } from "../../src/adapters/mongodb/image-store.ts";
import { mongodbJobStore } from "../../src/adapters/mongodb/job-store.ts";
import { mongodbSecretStore } from "../../src/adapters/mongodb/secret-store.ts";
import { mongodbSessionStore } from "../../src/adapters/mongodb/session-store.ts";
import { accountStoreContract } from "../contracts/account-store.ts";
import { blobStoreContract } from "../contracts/blob-store.ts";
import { clientStoreContract } from "../contracts/client-store.ts";
import { imageStoreContract } from "../contracts/image-store.ts";
import { jobStoreContract } from "../contracts/job-store.ts";
import { secretStoreContract } from "../contracts/secret-store.ts";
import { sessionStoreContract } from "../contracts/session-store.ts";
import { describeOnMongodb } from "../support/mongodb.ts";
import { openSuite } from "./mongodb-harness.ts";
import { queryContract } from "./mongodb-queries.ts";

describeOnMongodb("on MongoDB", async (mongodb) => {
  const suite = await openSuite(mongodb);
  accountStoreContract("MongoDB", () => suite.open(mongodbAccountStore));
  sessionStoreContract("MongoDB", () => suite.open(mongodbSessionStore));
  clientStoreContract("MongoDB", () => suite.open(mongodbClientStore));
  jobStoreContract("MongoDB", (due) => suite.open((db) => mongodbJobStore(db, due)));
  imageStoreContract("MongoDB", () => suite.open(mongodbImageStore));
  secretStoreContract("MongoDB", () => suite.open(mongodbSecretStore));
  blobStoreContract("GridFS", () => suite.open(mongodbBlobStore));
  queryContract(mongodb, suite);
});
