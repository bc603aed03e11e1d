import { piecesOf } from "../../helpers/pieces.ts";
import {
  ImageBrokenOff,
  type ImageService,
  ImageServiceRefused,
  ImageServiceUnavailable,
} from "../../ports/image-service.ts";
import type { Log } from "../../ports/log.ts";
import { idIn, isRefusal, Refusal, reasonOf, received, sizeOf } from "./answers.ts";
import { IdleTimeout } from "./idle-timeout.ts";

/** How long the service may be silent while we wait for it. */
const silenceMaxMs = 10_000;
/** The id of no picture: to see whether the service answers. */
const nobody = "00000000-0000-0000-0000-000000000000";

interface Where {
  /** Without a slash at the end. */
  readonly url: string;
  /** Sent as it is, as the first system did. */
  readonly key: string;
}

/** The first system's image service: `GET /download/{uuid}`, and `POST /images` answered by `{"uuid": …}`. */
export function httpImageService({ url, key }: Where, log: Log, silenceMs = silenceMaxMs): ImageService {
  /** Redirects are not followed: the key is for this address alone. */
  function request(path: string, timeout: IdleTimeout, init: RequestInit = {}): Promise<Response> {
    timeout.start();
    const headers = { authorization: key, "accept-encoding": "identity", ...init.headers };
    return fetch(url + path, { ...init, headers, signal: timeout.signal, redirect: "manual" });
  }

  function warn(cause: unknown): void {
    log.warn({ reason: reasonOf(cause) }, "the image service cannot be used");
  }

  function unavailable(cause: unknown): ImageServiceUnavailable {
    warn(cause);
    return new ImageServiceUnavailable(cause);
  }

  function unstored(cause: unknown): ImageServiceRefused | ImageServiceUnavailable {
    if (!(cause instanceof Refusal)) return unavailable(cause);
    log.warn({ reason: reasonOf(cause) }, "the image service does not take a picture");
    return new ImageServiceRefused(cause);
  }

  async function* pieces(response: Response, timeout: IdleTimeout): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of received(response, timeout)) yield* piecesOf(chunk);
    } catch (error) {
      warn(error);
      throw new ImageBrokenOff(error);
    } finally {
      timeout.end();
    }
  }

  return {
    async store(type, bytes) {
      const timeout = new IdleTimeout(silenceMs);
      const source = watched(bytes, timeout);
      try {
        const body = ReadableStream.from(source.bytes);
        const init = { method: "POST", headers: { "content-type": type }, body, duplex: "half" } as const;
        return await idIn(await request("/images", timeout, init), timeout);
      } catch (error) {
        throw source.failure === undefined ? unstored(error) : source.failure.error;
      } finally {
        timeout.end();
      }
    },

    async fetch(id) {
      const timeout = new IdleTimeout(silenceMs);
      try {
        const response = await request(`/download/${id}`, timeout);
        timeout.pause();
        if (response.status === 200) return { size: sizeOf(response), bytes: pieces(response, timeout) };
        timeout.end();
        if (isRefusal(response)) return undefined;
        throw new Error(`GET /download was answered ${response.status}`);
      } catch (error) {
        timeout.end();
        throw unavailable(error);
      }
    },

    async ping() {
      const timeout = new IdleTimeout(silenceMs);
      try {
        const response = await request(`/download/${nobody}`, timeout);
        const { status } = response;
        if (status !== 200 && !isRefusal(response)) throw new Error(`GET /download was answered ${status}`);
      } finally {
        timeout.end();
      }
    },
  };
}

interface Watched {
  readonly bytes: AsyncGenerator<Uint8Array>;
  /** What the source threw: `fetch` would hide it. */
  failure: { readonly error: unknown } | undefined;
}

/** The service's timeout runs while the service does not take the bytes that we have, not while their sender has none. */
function watched(bytes: AsyncIterable<Uint8Array>, timeout: IdleTimeout): Watched {
  const result: Watched = { bytes: pass(), failure: undefined };
  async function* pass(): AsyncGenerator<Uint8Array> {
    timeout.pause();
    try {
      for await (const piece of bytes) {
        timeout.start();
        yield piece;
        timeout.pause();
      }
    } catch (error) {
      result.failure = { error };
      throw error;
    }
    timeout.start();
  }
  return result;
}
