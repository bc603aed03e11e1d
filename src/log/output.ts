import { constants, fstatSync, openSync, write, writeSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const standardError = 2;

/** Bytes that may wait to be written; lines that come on top of them are lost. */
const waitingMax = 16 * 1024 * 1024;
/** The pause before a retry of a write, twice as long each time: a pipe is full for a moment, a disk for longer. */
const againMs = { first: 1, most: 100 };
/** How long a process that ends waits for a reader that takes nothing, and for one that is slow. */
const flushMs = { still: 1000, most: 5000 };

export interface Output {
  /** Writes text of `lines` whole lines. */
  write(text: string, lines: number): void;
  /** Writes out what still waits, and `text` after it, as far as the reader takes it. */
  flush(text: () => string): void;
}

/**
 * Writes to standard error without making anybody wait. Whatever happens to it, the process goes on: pino's own
 * destination retries for ever, and blocks the process meanwhile, once a flush finds the disk full.
 */
export function openOutput(onLost: (lines: number) => void): Output {
  const { fd, put, settle } = openDescriptor();
  const waiting: Buffer[] = [];
  let bytes = 0;
  let lost = 0;
  /** Also true while it waits for a retry. */
  let isWriting = false;

  async function drain(): Promise<void> {
    isWriting = true;
    let pauseMs = againMs.first;
    for (let chunk = waiting.shift(); chunk !== undefined; chunk = waiting.shift()) {
      const taken = put(chunk);
      // What a pipe leaves waits again at once, in case the process ends now.
      const written = typeof taken === "number" ? taken : await taken;
      bytes -= written;
      if (written < chunk.length) waiting.unshift(chunk.subarray(written));
      if (written === 0) await delay(pauseMs, undefined, { ref: false });
      pauseMs = written === 0 ? Math.min(2 * pauseMs, againMs.most) : againMs.first;
    }
    isWriting = false;
    tellLost();
  }

  /** Called while there is room for the line that tells it. */
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
      if (!isWriting) void drain();
    },
    flush(text) {
      settle();
      tellLost();
      const end = performance.now() + flushMs.most;
      let takenAt = performance.now();
      let rest = Buffer.concat([...waiting.splice(0), Buffer.from(text())]);
      while (rest.length > 0) {
        try {
          rest = rest.subarray(writeSync(fd, rest));
          takenAt = performance.now();
        } catch (error) {
          const now = performance.now();
          const isOver = now > end || now - takenAt > flushMs.still;
          if ((error as NodeJS.ErrnoException).code !== "EAGAIN" || isOver) return;
          pause(againMs.first);
        }
      }
    },
  };
}

interface Descriptor {
  readonly fd: number;
  /** Writes the beginning of a chunk, and tells how many bytes were taken; 0 when none could be now. */
  put(chunk: Buffer): number | Promise<number>;
  /** Waits a moment for a running write: text that follows at once would mix with it. */
  settle(): void;
}

/**
 * Opens a pipe once more, to make it non-blocking for us alone: a write to a pipe that nobody reads would keep the
 * process from ending. A socket cannot be opened again.
 */
function openDescriptor(): Descriptor {
  try {
    if (fstatSync(standardError).isFIFO())
      return nonBlocking(openSync("/dev/stderr", constants.O_WRONLY | constants.O_NONBLOCK));
  } catch {
    // The pipe may be another user's, or have no reader any more.
  }
  return inThreads(standardError);
}

function nonBlocking(fd: number): Descriptor {
  return {
    fd,
    put(chunk) {
      try {
        return writeSync(fd, chunk);
      } catch {
        // The pipe is full, or has no reader any more.
        return 0;
      }
    },
    settle() {},
  };
}

function inThreads(fd: number): Descriptor {
  let isBusy = false;
  return {
    fd,
    put(chunk) {
      isBusy = true;
      return new Promise((resolve) => {
        write(fd, chunk, (error, written) => {
          isBusy = false;
          resolve(error === null ? written : 0);
        });
      });
    },
    settle() {
      if (isBusy) pause(againMs.most);
    },
  };
}

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
