import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";

interface Protocol {
  readonly name: string;
  readonly open: (baseUrl: string) => Transport;
}

// Node's own limit for what waits in one HTTP/2 connection is less than the largest message.
const versions = [{ httpVersion: "1.1" }, { httpVersion: "2", nodeOptions: { maxSessionMemory: 1000 } }] as const;

/** Every way there is to make a typed call. */
export const protocols: readonly Protocol[] = [
  { name: "gRPC over HTTP/2", open: (baseUrl) => createGrpcTransport({ baseUrl, ...versions[1] }) },
  ...versions.flatMap((version): Protocol[] => [
    {
      name: `gRPC-Web over HTTP/${version.httpVersion}`,
      open: (baseUrl) => createGrpcWebTransport({ baseUrl, ...version }),
    },
    {
      name: `Connect binary over HTTP/${version.httpVersion}`,
      open: (baseUrl) => createConnectTransport({ baseUrl, ...version, useBinaryFormat: true }),
    },
    {
      name: `Connect JSON over HTTP/${version.httpVersion}`,
      open: (baseUrl) => createConnectTransport({ baseUrl, ...version, useBinaryFormat: false }),
    },
  ]),
];
