import type { ChildProcess } from "node:child_process";
import type { Log } from "../ports/log.ts";

/** The pause before another child is forked; doubled each time that one dies soon after its start. */
const pauseMs = { first: 500, most: 30_000 };
const soonMs = 10_000;

/** What a server with TLS tells its worker: the certificate that it shows, in PEM. */
export interface CertificateMessage {
  readonly cert: string;
}

export interface Supervisor {
  /** Sends the certificate to the running child; a new child gets it when it is forked. */
  tellCertificate(): void;
  /** Lets the child end its work for at most `graceMs`, then ends it. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Keeps one child process alive: when it dies, or cannot be forked, another is forked after a pause. Each is told which
 * certificate the server shows, if it shows any.
 */
export function supervise(
  fork: () => ChildProcess,
  log: Log,
  shown: () => CertificateMessage | undefined = () => undefined,
): Supervisor {
  let stopping = false;
  let restart: NodeJS.Timeout | undefined;
  let child: ChildProcess | undefined;
  let exited: Promise<void>;
  let doublings = 0;

  function tellCertificate(): void {
    const { cert } = shown() ?? {};
    // A child that could not be forked, or is being replaced, cannot be told.
    if (cert !== undefined && child?.connected) child.send({ cert } satisfies CertificateMessage, () => {});
  }

  function start(): void {
    const startedAt = performance.now();
    exited = new Promise<Readonly<Record<string, unknown>>>((resolve, reject) => {
      child = fork();
      child.once("exit", (code, signal) => resolve({ code, signal }));
      // A child that could not be forked never exits. Some reasons are thrown by `fork`, others come as this event.
      child.on("error", reject);
      tellCertificate();
    })
      .catch((err: unknown) => ({ err }))
      .then((how) => {
        if (stopping) return;
        log.warn(how, "the worker died; another is started");
        if (performance.now() - startedAt >= soonMs) doublings = 0;
        restart = setTimeout(start, Math.min(pauseMs.first * 2 ** doublings, pauseMs.most));
        doublings += 1;
      });
  }
  start();

  return {
    tellCertificate,
    async stop(graceMs) {
      stopping = true;
      clearTimeout(restart);
      child?.kill("SIGTERM");
      const cut = setTimeout(() => child?.kill("SIGKILL"), graceMs);
      await exited;
      clearTimeout(cut);
    },
  };
}
