import type { ServerHttp2Session } from "node:http2";

/** How many looks a connection must stand still for. */
const looks = 5;

export interface Http2Sessions {
  add(session: ServerHttp2Session): void;
  /** Lets their streams end, and takes no more. */
  close(): void;
}

/**
 * The open connections of HTTP/2. One on which nothing moves for `idleMs`, give or take a fifth, is closed; a watch may be
 * silent for longer and goes on, but what comes next takes another connection. Node's own timer for this is set anew
 * with each frame, which takes a tenth of a small call.
 */
export function trackSessions(idleMs: number): Http2Sessions {
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
      open.set(session, { bytes: 0, still: 0, cut: session.socket.destroySoon });
      session.once("close", () => open.delete(session));
    },
    close() {
      clearInterval(timer);
      for (const session of open.keys()) session.close();
    },
  };
}
