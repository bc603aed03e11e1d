import { AuthService } from "../gen/darkroom/auth/v1/auth_pb.ts";
import { bearer } from "../src/client/index.ts";
import type { Benchmark } from "./support/benchmark.ts";
import { compareUnary } from "./support/unary.ts";

export const checkAuth: Benchmark = {
  name: "check-auth",
  measures: "CheckAuth with an access token, by 32 callers, against an echo on bare Node or grpc-js",
  run: (options) =>
    compareUnary(
      {
        method: AuthService.method.checkAuth,
        request: () => ({}),
        answer: (server, { token }) => server.auth.checkAuth({}, bearer(token)),
      },
      options,
    ),
};
