import type { ServerHttp2Session } from "node:http2";

/** After this many looks without traffic a connection is closed. */
const looks = 5;

export interface Http2Sessions {
  add(session: ServerHttp2Session): void;
  /** Lets their streams end, and takes no more. */
  close(): void;
}

interface Http2Timeouts {
  /** How long a connection may be without traffic. */
  readonly idleMs: number;
  /** How long the first request's headers may take. */
  readonly headersMs: number;
}

/**
 * The open connections of HTTP/2. One without traffic for `idleMs`, give or take a fifth, takes no new streams: a silent
 * watch goes on, but later requests need another connection. Node's own timer for this is set anew with each frame,
 * which takes a tenth of a small call.
 */
export function trackSessions({ idleMs, headersMs }: Http2Timeouts): Http2Sessions {
  const open = new Map<ServerHttp2Session, { bytes: number; still: number; cut(): void }>();
  const timer = setInterval(() => {
    for (const [session, seen] of open) {
      // The socket is still open, since the other side keeps its half. `session.socket` does not lead to it any more.
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
      // `session.socket` gives its methods bound, so that `cut` can be called alone.
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
 * Cuts a session that neither sends a request within `ms` nor answers a ping. A caller that connects ahead of its first
 * call, as gRPC's channels do, answers the ping; one that has sent half its headers cannot.
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
