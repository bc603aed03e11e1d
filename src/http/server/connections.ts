import { readFileSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { createSlots } from "../../helpers/slots.ts";
import { networkOf } from "../../model/address.ts";
import type { TrustedProxies } from "../../model/settings.ts";

/** Connections that may be open at a time. */
export interface ConnectionsMax {
  /** Of one address (an IPv6 /64), unless it is a trusted proxy's, which calls for many. */
  readonly each: number;
  readonly all: number;
}

/** The open connections. One above the limits is closed before a byte of it is read. */
export function trackConnections(
  server: Server,
  { each, all }: ConnectionsMax,
  trusted: TrustedProxies,
): ReadonlySet<Socket> {
  const open = new Set<Socket>();
  const takeSlot = createSlots({ each, all });
  server.maxConnections = all;
  server.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress ?? "";
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    if (trusted?.(address, 0) === true) return;
    const leave = takeSlot(networkOf(address));
    if (leave === undefined) socket.destroy();
    else socket.once("close", leave);
  });
  return open;
}

/** Limits by the files that the process may open: half are left for pictures, of which each connection may need one. */
export function connectionsWithin(filesMax: number, { each, all }: ConnectionsMax): ConnectionsMax {
  const most = Math.min(all, Math.floor(filesMax / 2));
  return { each: Math.min(each, Math.floor(most / 2)), all: most };
}

/** How many files and connections this process may have open; no end where the system does not tell, as all but Linux. */
export function openFilesMax(): number {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return Number(soft ?? Number.POSITIVE_INFINITY);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
