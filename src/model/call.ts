import type { JobPrincipal, Owner, Principal, UserPrincipal } from "./principal.ts";

/** The memory reserved for a call's body, until the call is answered. */
export interface BodyRoom {
  /** Reserves the memory; only once the call is admitted, or strangers could take it all. Throws when there is none left. */
  take(): void;
  /** Keeps the memory reserved while `work` needs the body, even when the caller has left. */
  keepFor(work: Promise<unknown>): void;
}

/** A request as the reader of its whole body knows it. */
export interface CountedBody {
  /** Called with each piece before it is kept. Throws when the piece must not be kept. */
  onPiece?: (piece: Buffer) => void;
}

/** What is known of one request on the port, from its first byte to its log line. */
export interface Call {
  readonly requestId: string;
  /** When its headers had come, by `performance.now`. */
  readonly startedAt: number;
  /** The peer's address. */
  readonly address: string;
  readonly userAgent: string;
  /** The headers that a credential comes in. */
  readonly authorization: string | undefined;
  readonly apiKey: string | undefined;
  /** Sets a header of the answer, whatever the answer is going to be; works until it begins. */
  readonly setHeader: (name: string, value: string) => void;
  /** Whether it came by TLS. */
  readonly isSecure: boolean;
  /** Made by an operator on the machine itself, straight on the store. */
  readonly isOperator?: true;
  /** The reason the call is refused: whoever answers it sends this, and checks nothing again. */
  refusal?: unknown;
  /** Only on calls with large bodies. */
  bodyRoom?: BodyRoom;
  /** Set once the credential was checked. */
  principal?: Principal;
  /** The operation that the principal was admitted to, by its name in the table of who may call what. */
  operation?: string;
  /** How it ended, in Connect's terms, when that says more than the HTTP status. */
  outcome?: string;
}

/** Who makes the call. The access table lets nobody else come this far. */
export function principalOf({ principal, operation }: Call): Principal {
  if (principal === undefined) throw new Error(`${operation ?? "an open operation"} asks for its caller`);
  return principal;
}

export function userOf(call: Call): UserPrincipal {
  const principal = principalOf(call);
  if (principal.kind !== "user") throw new Error(`${call.operation} lets others than users call it`);
  return principal;
}

/** An account or a client, which own jobs and pictures alike. */
export function ownerOf(call: Call): Owner {
  const principal = principalOf(call);
  if (principal.kind === "job" || principal.kind === "worker")
    throw new Error(`${call.operation} lets workers call it`);
  return principal;
}

export function jobOf(call: Call): JobPrincipal {
  const principal = principalOf(call);
  if (principal.kind !== "job") throw new Error(`${call.operation} lets others than workers call it`);
  return principal;
}
