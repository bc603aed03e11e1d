import { readBaseUrl } from "./base-url.ts";
import { ConfigError } from "./error.ts";
import type { Reader } from "./reader.ts";

export interface ImageServiceConfig {
  /** Where pictures lie, without a slash at the end; undefined for our own store. */
  readonly url: string | undefined;
  /** We send the key to the image service, and workers of the first system send it to us. */
  readonly key: string;
}

const [urlVariable, keyVariable] = ["IMAGE_SERVICE_URL", "IMAGE_SERVICE_API_KEY"];
/**
 * What a header can carry, no longer than the credentials that are checked, with the one scheme that is read in
 * workers' headers.
 */
const keyPattern = /^(bearer )?[\x21-\x7e]{16,1024}$/i;

/** Undefined without a key: then no old worker can call, and pictures are in our own store. */
export function readImageService(read: Reader): ImageServiceConfig | undefined {
  const url = readBaseUrl(read, urlVariable);
  const key = read.text(keyVariable);
  if (key === undefined) {
    if (url === undefined) return undefined;
    throw new ConfigError(urlVariable, `must be given with ${keyVariable}`);
  }
  if (!keyPattern.test(key))
    throw new ConfigError(
      keyVariable,
      "must be 16 to 1024 printable ASCII characters without blanks, but for Bearer's",
    );
  return { url, key };
}
