import { imageServerUnavailable } from "../../../model/job-life.ts";
import { EngineError } from "../../engine.ts";
import { type Answer, AnswerTooLong } from "./exchange.ts";

/*
 * What a job's owner reads: nothing of what the server said, which may name machines, paths and models. Its own words
 * are the error's cause, which goes to the worker's log.
 */

const tellOperator = "Please tell the operator of this service.";

/** No answer, or not all of it. */
export function connectionFailure(cause: unknown): EngineError {
  if (cause instanceof AnswerTooLong) return invalidAnswer("is larger than the pictures could be", cause);
  const isReached = ["ECONNRESET", "EPIPE"].includes((cause as NodeJS.ErrnoException).code ?? "");
  const message = isReached
    ? "The connection to the image server was lost before the picture was done."
    : "The image server cannot be reached at the moment.";
  return new EngineError(imageServerUnavailable, message, { retryable: true, cause });
}

export function timeoutFailure(timeoutMs: number): EngineError {
  const message = `The image server was not done within ${timeoutMs / 1000} seconds. It may be busy.`;
  return new EngineError("IMAGE_SERVER_TIMEOUT", message, { retryable: true });
}

/** An answer that is not 200. */
export function statusFailure({ status, text }: Answer): EngineError {
  const cause = new Error(`HTTP ${status}: ${text.slice(0, 1000)}`);
  const refused = (message: string) => new EngineError("IMAGE_SERVER_REFUSED", message, { cause });
  if (status === 401 || status === 403)
    return refused(`The image server does not accept the credentials it is called with. ${tellOperator}`);
  if (status === 413) return refused("The picture is too large for the image server.");
  if (status === 429 || [502, 503, 504].includes(status)) {
    const message = "The image server is busy or not running at the moment.";
    return new EngineError(imageServerUnavailable, message, { retryable: true, cause });
  }
  if (status >= 500) return serverFault(text, cause);
  return refused(`The image server does not take this kind of request (HTTP ${status}). ${tellOperator}`);
}

/** The server names its exception in `error`, and the message in `errors`. */
function serverFault(text: string, cause: Error): EngineError {
  if (/OutOfMemory|out of memory/i.test(text)) {
    const message = "The image server ran out of memory. Ask for fewer pictures, or send a smaller one.";
    return new EngineError("IMAGE_SERVER_FAILED", message, { cause });
  }
  return new EngineError("IMAGE_SERVER_FAILED", "The image server failed to make the picture.", {
    retryable: true,
    cause,
  });
}

/** `what` goes on after "its answer". */
export function invalidAnswer(what: string, cause?: unknown): EngineError {
  const message = `The image server's answer ${what}. ${tellOperator}`;
  return new EngineError("IMAGE_SERVER_ANSWER_INVALID", message, { cause });
}
