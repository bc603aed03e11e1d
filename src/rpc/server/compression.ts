import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import type { DomainError } from "../../model/errors.ts";
import { callersFault, fromDomain } from "../errors.ts";

const compress = promisify(brotliCompress);
/** The default, 11, takes some twenty times as long and gains little, in threads that files and hashes wait for too. */
const params = { [constants.BROTLI_PARAM_QUALITY]: 4 };

const brotli = { ...compressionBrotli, compress: (bytes: Uint8Array) => compress(bytes, { params }) };

/** Why a message is refused that is too large only once it is decompressed. */
type TooLarge = () => DomainError;

/** The compressions that requests and answers may have. Connect's own words refuse what is too large, unless others are given. */
export function compressionsOf(tooLarge?: TooLarge): (typeof compressionGzip)[] {
  return [compressionGzip, brotli].map((compression) => ({
    ...compression,
    decompress: (bytes, readMaxBytes) =>
      compression.decompress(bytes, readMaxBytes).catch((error: unknown) => {
        const isTooLarge = ConnectError.from(error).code === Code.ResourceExhausted;
        throw isTooLarge && tooLarge !== undefined ? fromDomain(tooLarge()) : callersFault(error);
      }),
  }));
}
