import type { SdWebuiSettings } from "../../../model/settings.ts";
import { type Answer, exchange } from "./exchange.ts";
import type { Request } from "./request.ts";

/** For a call that is answered at once. */
const quickMs = 5000;
const quickBytes = 64 * 1024;

/**
 * AUTOMATIC1111's API, as far as it is used here; see `/docs` on such a server. It makes one picture at a time, for
 * whoever asks: progress is that of the running request, and an interrupt stops it, whosever it is.
 */
export class SdWebuiServer {
  readonly #url: string;
  readonly #authorization: string | undefined;

  constructor({ url, credentials }: SdWebuiSettings) {
    this.#url = url;
    this.#authorization = credentials && `Basic ${Buffer.from(credentials).toString("base64")}`;
  }

  img2img(body: Request, answerMax: number, signal: AbortSignal): Promise<Answer> {
    return this.#call("POST", "img2img", { body, answerMax, signal });
  }

  /** 0 to 1; undefined when the server does not say. */
  async progress(signal: AbortSignal): Promise<number | undefined> {
    const { status, text } = await this.#quick("GET", "progress?skip_current_image=true", signal);
    const progress: unknown = status === 200 ? JSON.parse(text)?.progress : undefined;
    return typeof progress === "number" && progress >= 0 && progress <= 1 ? progress : undefined;
  }

  async interrupt(signal: AbortSignal): Promise<void> {
    await this.#quick("POST", "interrupt", signal);
  }

  #quick(method: "GET" | "POST", path: string, signal: AbortSignal): Promise<Answer> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(quickMs)]);
    return this.#call(method, path, { answerMax: quickBytes, signal: limit });
  }

  #call(
    method: "GET" | "POST",
    path: string,
    rest: { body?: Request; answerMax: number; signal: AbortSignal },
  ): Promise<Answer> {
    return exchange({ method, url: `${this.#url}/sdapi/v1/${path}`, authorization: this.#authorization, ...rest });
  }
}
