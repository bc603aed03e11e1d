import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/support/longest-first.ts";

export default defineConfig({
  test: {
    // Real processes, real hashing: generous, so that a slow machine fails no test.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    // Tests wait for other processes more than they compute.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    globalSetup: "test/support/bundle.ts",
    env: {
      // Of servers in processes of their own: whoever tests them keeps the machine as busy as they do.
      DARKROOM_SHED_AFTER_MS: "60000",
      // npm would wait for a registry that stalls for as long as the longest test, and then try again.
      npm_config_fetch_timeout: "30000",
    },
    projects: [
      { extends: true, test: { name: "all", include: ["test/**/*.test.ts"] } },
      // The front door once more, through connect-node's own path for RPCs: see test/support/fast-rpc.ts.
      {
        extends: true,
        test: {
          name: "stock rpc",
          include: ["test/api/*.test.ts"],
          // About what lies behind however it was called, or about plain HTTP, which no path of RPCs touches.
          exclude: [
            "test/api/{data-directory,dead-letters,deletion,guessing,mongodb,old-workers,production,recovery,replicas,sd-webui,service-bus}.test.ts",
            "test/api/{health,image-service,old-apis,openapi,pocketbase*,relay*,service-key,session-validation,supabase*,template}.test.ts",
          ],
          env: { DARKROOM_FAST_RPC: "false" },
        },
      },
    ],
  },
});
