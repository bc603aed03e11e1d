import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";

const compress = promisify(brotliCompress);
/** The default, 11, takes some twenty times as long and gains little, in threads that files and hashes wait for too. */
const params = { [constants.BROTLI_PARAM_QUALITY]: 4 };

/** The compressions that requests and answers may have. */
export const compressions = [
  callersFault(compressionGzip),
  callersFault({ ...compressionBrotli, compress: (bytes: Uint8Array) => compress(bytes, { params }) }),
];

/** Bytes that cannot be decompressed, such as half a message, are the caller's fault: for some Connect says `internal`. */
function callersFault(compression: typeof compressionGzip): typeof compressionGzip {
  const decompress: typeof compression.decompress = (bytes, readMaxBytes) =>
    compression.decompress(bytes, readMaxBytes).catch((error: unknown) => {
      const { code, rawMessage } = ConnectError.from(error);
      throw code === Code.Internal ? new ConnectError(rawMessage, Code.InvalidArgument) : error;
    });
  return { ...compression, decompress };
}
