import { type CallOptions, type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import {
  type Image,
  type ImageJob,
  ImageJobService,
  type Model,
  State,
} from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { WorkerService } from "../../gen/darkroom/worker/v1/worker_pb.ts";
import { BadRequestSchema, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";

export { type Account, Role } from "../../gen/darkroom/auth/v1/auth_pb.ts";
export { type Image, type ImageJob, type Model, State };

export interface Darkroom {
  readonly auth: Client<typeof AuthService>;
  readonly jobs: Client<typeof ImageJobService>;
  readonly worker: Client<typeof WorkerService>;
}

export interface ConnectOptions {
  /** PEM of the certificate that the server must show, in place of one for its host name. */
  readonly pinnedCert?: string | undefined;
}

/** MB that a connection may hold: Node's own limit is too small for one picture that is refused while it is sent. */
const connectionMemory = 64;

/** Typed clients over gRPC for the server at `baseUrl`, `http://` or `https://`. They share one connection. */
export function connect(baseUrl: string, { pinnedCert }: ConnectOptions = {}): Darkroom {
  const pinned = { ca: pinnedCert, allowPartialTrustChain: true, checkServerIdentity: () => undefined };
  const nodeOptions = { maxSessionMemory: connectionMemory, ...(pinnedCert === undefined ? {} : pinned) };
  const transport = createGrpcTransport({ baseUrl, nodeOptions });
  return {
    auth: createClient(AuthService, transport),
    jobs: createClient(ImageJobService, transport),
    worker: createClient(WorkerService, transport),
  };
}

/** Call options that carry a credential. */
export function bearer(token: string, signal?: AbortSignal): CallOptions {
  return { headers: { authorization: `Bearer ${token}` }, ...(signal === undefined ? {} : { signal }) };
}

/** The stable reason of an error that the server answered with, or undefined for any other. */
export function reasonOf(error: unknown): string | undefined {
  return error instanceof ConnectError ? error.findDetails(ErrorInfoSchema)[0]?.reason : undefined;
}

/** Whether the same call may do better later: the server is away or too busy, or the connection broke. */
export function isTransient(error: unknown): boolean {
  const { code } = ConnectError.from(error);
  if ([Code.Unavailable, Code.ResourceExhausted, Code.DeadlineExceeded].includes(code)) return true;
  // A broken connection has one of these; so may an answer, but ours always give a reason.
  return [Code.Aborted, Code.Internal, Code.Unknown].includes(code) && reasonOf(error) === undefined;
}

/** For people: what went wrong, with the fields that broke a rule. */
export function describe(error: unknown): string {
  const wire = ConnectError.from(error);
  const violations = wire.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations);
  return violations.length > 0
    ? violations.map(({ field, description }) => `${field} ${description}`).join("; ")
    : wire.rawMessage;
}

/** For people: `queued`, `running`, … */
export function stateName(state: State): string {
  const name = Object.entries(State).find(([, value]) => value === state)?.[0];
  return name?.toLowerCase() ?? "unknown";
}
