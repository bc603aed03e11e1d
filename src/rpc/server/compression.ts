import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";

const compress = promisify(brotliCompress);
/** The default, 11, takes some twenty times as long and gains little, in threads that files and hashes wait for too. */
const params = { [constants.BROTLI_PARAM_QUALITY]: 4 };

/** In which messages may come, and answers go. */
export const compressions = [
  compressionGzip,
  { ...compressionBrotli, compress: (bytes: Uint8Array) => compress(bytes, { params }) },
];
