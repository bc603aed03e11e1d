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
/** Of one call, which may be repeated: given up for others' locks or writes, a majority that is behind, an operator's word. */
const passingCodes = [24, 112, 134, 11_601];
/**
 * Until an operator mends it, whatever the call: a credential that is no longer good, no room (Atlas: 8000; FerretDB says 1
 * of all that its own store refuses, a unique value that an update finds taken included).
 */
const refusingCodes = [1, 13, 18, 8000, 14_031];
const taken = /unique constraint/i;
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
  const isUnavailable = isAway(error) || isRefusing(error) || hasCode(error, passingCodes);
  return isUnavailable ? new StoreUnavailable(error) : refused(error);
}

/** The same at a start, which tells an operator what is to be mended. */
export function refused(error: unknown): unknown {
  if (!(error instanceof MongoError)) return error;
  // Without its cause, which has what was to be stored.
  if (error.code === duplicate) return new DuplicateKey("a unique value is taken");
  return new Error(`the database refused: ${error.message.split("\n", 1)[0]}`);
}

/** Whether it may answer soon by itself: a start waits for it. */
export function isAway(error: unknown): error is Error {
  if (awayTypes.some((type) => error instanceof type)) return true;
  if (error instanceof MongoServerError) return hasCode(error, awayCodes);
  if (error instanceof MongoError) return awayNames.includes(error.name);
  return systemCodes.test((error as NodeJS.ErrnoException).code ?? "");
}

/** Whether it answers, and may do so for others: reads go on. */
export function isRefusing(error: unknown): error is MongoServerError {
  return hasCode(error, refusingCodes) && !taken.test(error.message);
}

function hasCode(error: unknown, codes: readonly number[]): error is MongoServerError {
  return error instanceof MongoServerError && codes.includes(Number(error.code));
}
