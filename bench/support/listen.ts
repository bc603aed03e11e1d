import type { AddressInfo, Server } from "node:net";

/** Has a reference listen on a free port, tell it as `startChild` expects, and end with its parent. */
export function listen(server: Server): void {
  server.listen(0, "127.0.0.1", () => {
    process.stdout.write(`listens on http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
  });
  process.on("disconnect", () => process.exit());
}
