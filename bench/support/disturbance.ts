import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { AuthService } from "../../gen/darkroom/auth/v1/auth_pb.ts";
import { type Call, connectJson, unaryCall } from "./calls.ts";
import type { SignedIn } from "./darkroom.ts";
import type { Disturbance, SentCall } from "./disturber.ts";

/** Logins, and uploads where one is given, from a thread of their own. */
export async function startDisturber(url: string, { username, password }: SignedIn, upload?: Call) {
  const { login } = AuthService.method;
  const request = { identity: username, password };
  const loginCall = unaryCall(connectJson, login, request, { token: undefined, accepts: () => true });
  const workerData: Disturbance = { url, login: sent(loginCall), upload: upload && sent(upload) };
  const worker = new Worker(new URL("./disturber.ts", import.meta.url), { workerData });
  return {
    async tell(what: "start" | "stop"): Promise<void> {
      const done = once(worker, "message");
      worker.postMessage(what);
      await done;
    },
    end: () => worker.terminate(),
  };
}

function sent({ accepts: _, ...rest }: Call): SentCall {
  return rest;
}
