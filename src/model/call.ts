import type { Principal } from "./principal.ts";

/** What is known of one request on the port, from its first byte to its log line. */
export interface Call {
  readonly requestId: string;
  /** The peer's address. */
  readonly address: string;
  readonly userAgent: string;
  /** The headers that a credential comes in. */
  readonly authorization: string | undefined;
  readonly apiKey: string | undefined;
  /** Sets a header of the answer, whatever it is going to be; until then. */
  readonly setHeader: (name: string, value: string) => void;
  /** Whether it came by TLS. */
  readonly isSecure: boolean;
  /** Made on the machine itself, straight on the store. */
  readonly isOperator?: true;
  /** Why it is refused before whoever answers it has asked anything. */
  refusal?: unknown;
  /** Of a call that may be made: takes the room that its body needs until it is answered. Throws when there is none. */
  takePlace?: () => void;
  /** Set once the credential was checked. */
  principal?: Principal;
  /** How it ended, in Connect's terms, when that says more than the HTTP status. */
  outcome?: string;
}
