import { spawn } from "node:child_process";
import { allocator, main, nodeOptions, type Server } from "./darkroom.ts";
import { endWithUs } from "./scratch.ts";

/** So many `darkroom worker`s for the server; resolves to how to end them. */
export function startWorkers(count: number, server: Server, env: Readonly<Record<string, string>>): () => void {
  const own = { DARKROOM_SERVER_URL: server.url, DARKROOM_DATA_DIR: server.dataDir, LOG_LEVEL: "error", ...env };
  const children = Array.from({ length: count }, () => {
    const child = spawn(process.execPath, [...nodeOptions, main, "worker"], {
      env: { ...process.env, ...allocator, ...own },
      detached: true,
      stdio: "ignore",
    });
    endWithUs(child);
    return child;
  });
  return () => {
    for (const child of children) child.kill("SIGTERM");
  };
}
