import { cors } from "@connectrpc/connect";

/** What browsers must be allowed to send and to read, for the three protocols to work across origins. */
export const rpcCors: { readonly sent: readonly string[]; readonly read: readonly string[] } = {
  sent: cors.allowedHeaders,
  // Details of errors and of retries; gRPC-Web's are in the list already.
  read: [...cors.exposedHeaders, "retry-after", "www-authenticate"],
};
