import { AuthService } from "../gen/darkroom/auth/v1/auth_pb.ts";
import type { Benchmark } from "./support/benchmark.ts";
import { compareUnary } from "./support/unary.ts";

export const validate: Benchmark = {
  name: "validate",
  measures: "Validate of an access token, by 32 callers, against an echo on bare Node or grpc-js",
  run: (options) =>
    compareUnary(
      {
        method: AuthService.method.validate,
        request: ({ token }) => ({ credential: token }),
        answer: (server, { token }) => server.auth.validate({ credential: token }),
      },
      options,
    ),
};
