import { cors } from "@connectrpc/connect";

/** What browsers must be allowed to send and to read, for the three protocols to work across origins. */
export const rpcCors: { readonly allowedHeaders: readonly string[]; readonly exposedHeaders: readonly string[] } = {
  allowedHeaders: cors.allowedHeaders,
  // Details of errors and of retries; gRPC-Web's are in the list already.
  exposedHeaders: [...cors.exposedHeaders, "retry-after", "www-authenticate"],
};
