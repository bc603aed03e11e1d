import { constants, fstatSync, openSync, write, writeSync } from "node:fs";

const standardError = 2;

/** Bytes that may wait to be written; lines that come on top of them are lost. */
const waitingMax = 16 * 1024 * 1024;
/** Before what was not taken is written again, twice as long each time: a pipe is full for a moment, a disk for longer. */
const againMs = { first: 1, most: 100 };
/** How long a process that ends waits for a slow reader. */
const flushMs = 1000;

export interface Output {
  /** Whole lines, so many of them. */
  write(text: string, lines: number): void;
  /** Writes out what still waits, and this behind it, as far as it is taken. */
  flush(text: string): void;
}

/**
 * Writes to standard error while nobody waits for it. Whatever becomes of it, the process goes on: pino's own destination
 * tries for ever, and lets nothing else run meanwhile, once a flush finds the disk full.
 */
export function openOutput(onLost: (lines: number) => void): Output {
  const fd = openOwn();
  const waiting: Buffer[] = [];
  let bytes = 0;
  let lost = 0;
  /** Also while it waits to write again. */
  let isWriting = false;
  let pauseMs = againMs.first;

  function next(): void {
    const chunk = waiting.shift();
    isWriting = chunk !== undefined;
    if (chunk === undefined) {
      tellLost();
      return;
    }
    write(fd, chunk, (error, written) => {
      took(chunk, error === null ? written : 0);
      if (error === null) {
        pauseMs = againMs.first;
        next();
        return;
      }
      setTimeout(next, pauseMs).unref();
      pauseMs = Math.min(2 * pauseMs, againMs.most);
    });
  }

  function took(chunk: Buffer, written: number): void {
    bytes -= written;
    if (written < chunk.length) waiting.unshift(chunk.subarray(written));
  }

  /** While there is room for the line that tells it. */
  function tellLost(): void {
    if (lost > 0) onLost(lost);
    lost = 0;
  }

  return {
    write(text, lines) {
      const chunk = Buffer.from(text);
      if (bytes + chunk.length > waitingMax) {
        lost += lines;
        return;
      }
      bytes += chunk.length;
      waiting.push(chunk);
      if (!isWriting) next();
    },
    flush(text) {
      const end = performance.now() + flushMs;
      let rest = Buffer.concat([...waiting.splice(0), Buffer.from(text)]);
      while (rest.length > 0) {
        try {
          rest = rest.subarray(writeSync(fd, rest));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "EAGAIN" || performance.now() > end) return;
          pause(againMs.first);
        }
      }
    },
  };
}

/**
 * A pipe is opened once more, to be non-blocking for us alone: a write to one that nobody reads would keep the process from
 * ending. A socket cannot be.
 */
function openOwn(): number {
  try {
    if (fstatSync(standardError).isFIFO()) return openSync("/dev/stderr", constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    // It may be another user's, or nobody may have it open any more.
  }
  return standardError;
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
