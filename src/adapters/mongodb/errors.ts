import {
  MongoClientClosedError,
  MongoError,
  MongoExpiredSessionError,
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
/** One call failed, and may be repeated: for others' locks or writes, a majority that is behind, or an operator who stopped it. */
const passingCodes = [24, 112, 134, 11_601];
/**
 * Calls fail until an operator mends the cause: a credential that is no longer good, or no room (Atlas: 8000). FerretDB
 * answers 1 for all that its own store refuses, also for a unique value that an update finds taken.
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
  // Waited for a connection when the client was closed; no session of ours outlives its call.
  MongoExpiredSessionError,
  // Done, but not yet by a majority.
  MongoWriteConcernError,
];
/** Not exported by the driver. */
const awayNames = ["MongoWaitQueueTimeoutError", "MongoPoolClosedError"];
/** Codes of sockets and name servers, whose errors the driver does not always wrap. */
const systemCodes = /^(E(?!RR_|NOENT|ACCES)|ERR_(STREAM|SOCKET)_)/;

/** The driver's error in the ports' terms. Only codes are compared: compatible servers agree on nothing else. */
export function translated(error: unknown): unknown {
  const isUnavailable = isAway(error) || isRefusing(error) || hasCode(error, passingCodes);
  return isUnavailable ? new StoreUnavailable(error) : refused(error);
}

/** The error that a start rejects with, which tells an operator what is to be mended. */
export function refused(error: unknown): unknown {
  if (!(error instanceof MongoError)) return error;
  // Without its cause, which has what was to be stored.
  if (error.code === duplicate) return new DuplicateKey("a unique value is taken");
  return new Error(`the database refused: ${error.message.split("\n", 1)[0]}`);
}

/** Whether the database may answer soon by itself: a start waits for it. */
export function isAway(error: unknown): error is Error {
  if (awayTypes.some((type) => error instanceof type)) return true;
  if (error instanceof MongoServerError) return hasCode(error, awayCodes);
  if (error instanceof MongoError) return awayNames.includes(error.name);
  return systemCodes.test((error as NodeJS.ErrnoException).code ?? "");
}

/** Whether the database answers, but refuses this call. It may accept others: reads go on. */
export function isRefusing(error: unknown): error is MongoServerError {
  return hasCode(error, refusingCodes) && !taken.test(error.message);
}

function hasCode(error: unknown, codes: readonly number[]): error is MongoServerError {
  return error instanceof MongoServerError && codes.includes(Number(error.code));
}
