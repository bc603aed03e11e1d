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
/**
 * A server that stops, or is not or no longer the primary; one that is too busy (Cosmos DB: 16500), or gave a call up that
 * may be repeated: for others' locks or writes, for a majority that is behind, by an operator's word.
 */
const awayCodes = [
  6, 7, 24, 50, 89, 91, 112, 134, 189, 262, 9001, 10_058, 10_107, 11_600, 11_601, 11_602, 13_435, 13_436, 16_500,
];
/**
 * Until an operator mends it, whatever the call: a credential that is no longer good, no room (Atlas: 8000; FerretDB says 1
 * of all that its own store refuses).
 */
const refusingCodes = [1, 13, 18, 8000, 14_031];
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
  return isAway(error) || isRefusing(error) ? new StoreUnavailable(error) : refused(error);
}

/** The same at a start, which tells an operator what is to be mended. */
export function refused(error: unknown): unknown {
  if (!(error instanceof MongoError)) return error;
  // Without its cause, which has what was to be stored.
  if (error.code === duplicate) return new DuplicateKey("a unique value is taken");
  return new Error(`the database refused: ${error.message.split("\n", 1)[0]}`);
}

/** Whether it may answer soon by itself: a start waits for it. */
export function isAway(error: unknown): boolean {
  if (awayTypes.some((type) => error instanceof type)) return true;
  if (error instanceof MongoServerError) return awayCodes.includes(Number(error.code));
  if (error instanceof MongoError) return awayNames.includes(error.name);
  return systemCodes.test((error as NodeJS.ErrnoException).code ?? "");
}

/** Whether it answers, and may do so for others: reads go on. */
export function isRefusing(error: unknown): error is MongoServerError {
  return error instanceof MongoServerError && refusingCodes.includes(Number(error.code));
}
