import { constants, type SecureClientSessionOptions } from "node:http2";
import { Http2SessionManager } from "@connectrpc/connect-node";

/** MB that a connection may hold: Node's own limit is too small for one picture that is refused while it is sent. */
const maxSessionMemory = 64;
/**
 * A server that sends nothing is sent a ping. The ping may wait behind a megabyte of a picture that is being sent, which
 * takes 66 s on the slowest line that develop.ts allows for.
 */
const liveliness = { pingIntervalMs: 15_000, pingTimeoutMs: 75_000 };

/** A connection that is opened when it is needed, and again when it was lost. */
export class Http2Connection extends Http2SessionManager {
  constructor(baseUrl: string, options: SecureClientSessionOptions) {
    super(baseUrl, liveliness, { maxSessionMemory, ...options });
  }

  /** The manager stops listening to a session that it gives up; the session's error comes later, and would end the process. */
  override async request(...args: Parameters<Http2SessionManager["request"]>) {
    const stream = await super.request(...args);
    stream.session?.off("error", ignore).on("error", ignore);
    stream.once("error", (error) => {
      if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) error.cause = unbegun;
    });
    return stream;
  }
}

function ignore(): void {}

/**
 * Why the server has refused a stream: it was about to stop, and has not begun the call. As the cause of the stream's error,
 * which connect-node takes for `internal` otherwise, its code makes that `unavailable`.
 */
const unbegun = Object.assign(new Error("the server has not begun the call"), { code: "ECONNREFUSED" });
