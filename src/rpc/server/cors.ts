import { cors } from "@connectrpc/connect";

/** The headers that browsers must be allowed to read, for the three protocols to work across origins. */
export const exposedHeaders: readonly string[] = cors.exposedHeaders;
