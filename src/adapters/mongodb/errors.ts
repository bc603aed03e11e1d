import {
  MongoClientClosedError,
  MongoError,
  MongoNetworkError,
  MongoNotConnectedError,
  MongoServerError,
  MongoSystemError,
  MongoTopologyClosedError,
  MongoWriteConcernError,
} from "mongodb";
import { DuplicateKey, StoreUnavailable } from "../../ports/store-errors.ts";

const duplicate = 11_000;
/** A server that stops, or is not or no longer the primary; one that is too busy (Cosmos DB: 16500). */
const awayCodes = [6, 7, 50, 89, 91, 189, 262, 9001, 10_058, 10_107, 11_600, 11_602, 13_435, 13_436, 16_500];
const awayTypes = [
  MongoNetworkError,
  // No server was found in time.
  MongoSystemError,
  MongoNotConnectedError,
  MongoTopologyClosedError,
  MongoClientClosedError,
  // Done, but not yet by a majority.
  MongoWriteConcernError,
];
/** Not exported by the driver. */
const awayNames = ["MongoWaitQueueTimeoutError", "MongoPoolClosedError"];
/** Of sockets and of name servers: not all of them come wrapped. */
const systemCodes = /^(E(?!RR_|NOENT|ACCES)|ERR_(STREAM|SOCKET)_)/;

/** What the driver threw, in the ports' terms. Of what a server says, compatible ones agree on the code alone. */
export function translated(error: unknown): unknown {
  if (isAway(error)) return new StoreUnavailable(error);
  if (!(error instanceof MongoError)) return error;
  // Without its cause, which has what was to be stored.
  if (error.code === duplicate) return new DuplicateKey("a unique value is taken");
  return new Error(`the database refused: ${error.message.split("\n", 1)[0]}`);
}

export function isAway(error: unknown): boolean {
  if (awayTypes.some((type) => error instanceof type)) return true;
  if (error instanceof MongoServerError) return awayCodes.includes(Number(error.code));
  if (error instanceof MongoError) return awayNames.includes(error.name);
  return systemCodes.test((error as NodeJS.ErrnoException).code ?? "");
}
