import type { ServerHttp2Session } from "node:http2";

/** How many looks a connection must stand still for. */
const looks = 5;

export interface Http2Sessions {
  add(session: ServerHttp2Session): void;
  /** Lets their streams end, and takes no more. */
  close(): void;
}

interface Http2Timeouts {
  /** How long nothing may move. */
  readonly idleMs: number;
  /** How long the first request's headers may take. */
  readonly headersMs: number;
}

/**
 * The open connections of HTTP/2. One on which nothing moves for `idleMs`, give or take a fifth, is closed; a watch may be
 * silent for longer and goes on, but what comes next takes another connection. Node's own timer for this is set anew
 * with each frame, which takes a tenth of a small call.
 */
export function trackSessions({ idleMs, headersMs }: Http2Timeouts): Http2Sessions {
  const open = new Map<ServerHttp2Session, { bytes: number; still: number; cut(): void }>();
  const timer = setInterval(() => {
    for (const [session, seen] of open) {
      // Closed, but its socket is not, since the other side keeps its half; the session does not lead to it any more.
      if (session.destroyed) {
        seen.cut();
        continue;
      }
      const { bytesRead, bytesWritten } = session.socket;
      const bytes = bytesRead + bytesWritten;
      seen.still = bytes === seen.bytes ? seen.still + 1 : 0;
      seen.bytes = bytes;
      if (seen.still === looks) session.close();
    }
  }, idleMs / looks).unref();

  return {
    add(session) {
      // Node binds what it gives of a session's socket.
      const cut = session.socket.destroySoon;
      open.set(session, { bytes: 0, still: 0, cut });
      session.once("close", () => open.delete(session));
      cutSilent(session, headersMs, cut);
    },
    close() {
      clearInterval(timer);
      for (const session of open.keys()) session.close();
    },
  };
}

/**
 * Cuts one that asks for nothing within `ms` and does not answer either: who connects ahead of the first call, as gRPC's
 * channels do, answers a ping, and who has sent half the headers cannot.
 */
function cutSilent(session: ServerHttp2Session, ms: number, cut: () => void): void {
  let timer = setTimeout(ask, ms / 2).unref();
  const stop = () => clearTimeout(timer);
  session.once("stream", stop);
  session.once("close", stop);

  function ask(): void {
    timer = setTimeout(cut, ms / 2).unref();
    if (!session.destroyed) session.ping(stop);
  }
}
