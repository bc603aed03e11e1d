import { isIPv6 } from "node:net";

/** The network of one caller: an IPv4 address, or an IPv6 address's /64. */
export function networkOf(address: string): string {
  // An IPv4 caller of a port that listens on IPv4 and IPv6.
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address;
  const [head = "", tail] = address.split("::");
  const parts = head === "" ? [] : head.split(":");
  const missing = tail === undefined ? 0 : 8 - parts.length - (tail === "" ? 0 : tail.split(":").length);
  return [...parts, ...Array<string>(missing).fill("0")].slice(0, 4).join(":");
}

/** Whether the address, or the name, is this machine's own. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
