import { create, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { createLog } from "../../src/log/log.ts";
import { openRpcPort } from "../support/rpc-port.ts";
import { readProtos } from "./protos.ts";
import { conformanceService } from "./service.ts";

/**
 * The server that the suite tests, one process for each of its configurations, which it tells on standard input.
 * Arguments: the file with the suite's protos, and `fast` or `stock`.
 */
type Wanted = Message & {
  /** 0 for none. */
  readonly messageReceiveLimit: number;
  readonly serverCreds?: { readonly cert: Uint8Array; readonly key: Uint8Array };
};

const [file = "", path] = process.argv.slice(2);
const protos = readProtos(file);
const { messageReceiveLimit, serverCreds } = fromBinary(protos.message("ServerCompatRequest"), await read()) as Wanted;
const service = protos.service("ConformanceService");
const { address } = await openRpcPort({
  routes: (router) =>
    void router.service(service, conformanceService(protos), { jsonOptions: { registry: protos.registry } }),
  ...(messageReceiveLimit === 0 ? {} : { messageMax: messageReceiveLimit }),
  tls: serverCreds && { cert: textOf(serverCreds.cert), key: textOf(serverCreds.key) },
  fast: path === "fast",
  log: createLog("silent"),
});
const answer = protos.message("ServerCompatResponse");
const listening: Record<string, unknown> = { host: address.address, port: address.port, pemCert: serverCreds?.cert };
write(toBinary(answer, create(answer, listening)));

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

/** A message, after four bytes of its length. */
async function read(): Promise<Buffer> {
  let input = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    input = Buffer.concat([input, chunk]);
    if (input.length >= 4 && input.length >= 4 + input.readUInt32BE(0)) break;
  }
  return input.subarray(4);
}

function write(message: Uint8Array): void {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  process.stdout.write(Buffer.concat([length, message]));
}
