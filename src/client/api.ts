import type { Client, Transport } from "@connectrpc/connect";
import { createClient } from "@connectrpc/connect";
import { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { ImageJobService, State } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";

export { type Account, type Client as ApiClient, Role, type SigningKey } from "../../gen/darkroom/auth/v1/auth_pb.ts";
export {
  type DeadLetter,
  DeadLetter_Source as DeadLetterSource,
  type Image,
  type ImageJob,
  type Model,
  State,
} from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";

export type AuthClient = Client<typeof AuthService>;
export type ImageJobClient = Client<typeof ImageJobService>;

/** What people and services call. */
export interface Api {
  readonly auth: AuthClient;
  readonly jobs: ImageJobClient;
}

export function apiOver(transport: Transport): Api {
  return { auth: createClient(AuthService, transport), jobs: createClient(ImageJobService, transport) };
}

const terminal: readonly State[] = [State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED];

/** Whether a job in this state changes no more. */
export function hasEnded(state: State): boolean {
  return terminal.includes(state);
}

/** For people: `queued`, `running`, … */
export function stateName(state: State): string {
  const name = Object.entries(State).find(([, value]) => value === state)?.[0];
  return name?.toLowerCase() ?? "unknown";
}
