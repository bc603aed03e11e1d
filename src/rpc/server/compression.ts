import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import { callersFault } from "../errors.ts";

const compress = promisify(brotliCompress);
/** The default, 11, takes some twenty times as long and gains little, in threads that files and hashes wait for too. */
const params = { [constants.BROTLI_PARAM_QUALITY]: 4 };

/** The compressions that requests and answers may have. */
export const compressions = [
  blamingCaller(compressionGzip),
  blamingCaller({ ...compressionBrotli, compress: (bytes: Uint8Array) => compress(bytes, { params }) }),
];

function blamingCaller(compression: typeof compressionGzip): typeof compressionGzip {
  return {
    ...compression,
    decompress: (bytes, readMaxBytes) =>
      compression.decompress(bytes, readMaxBytes).catch((error: unknown) => {
        throw callersFault(error);
      }),
  };
}
