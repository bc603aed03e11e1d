import type { IncomingHttpHeaders } from "node:http";

/** The methods that need all headers; `get` and `has` do not. */
const copying = ["append", "delete", "set", "getSetCookie", "forEach", "keys", "values", "entries"] as const;

/**
 * A request's headers, copied only when one of these methods is called: the copy takes longer than the rest of the fast
 * path, and most calls read `authorization` alone.
 */
export class RequestHeaders extends Headers {
  private received: IncomingHttpHeaders | undefined;

  constructor(received: IncomingHttpHeaders) {
    super();
    this.received = received;
  }

  private look(name: string): string | null {
    const value = this.received?.[name.toLowerCase()];
    if (typeof value === "string") return value;
    if (value === undefined && this.received !== undefined) return null;
    return get.call(this.copied(), name);
  }

  private copied(): this {
    const received = Object.entries(this.received ?? {});
    this.received = undefined;
    for (const [name, value] of received) {
      if (name.startsWith(":")) continue;
      for (const one of [value ?? []].flat()) append.call(this, name, one);
    }
    return this;
  }

  static {
    const { prototype } = RequestHeaders;
    const define = (name: string | symbol, value: unknown) => Object.defineProperty(prototype, name, { value });
    for (const name of copying) {
      const own = Headers.prototype[name] as (...input: unknown[]) => unknown;
      define(name, function (this: RequestHeaders, ...input: unknown[]) {
        return own.apply(this.copied(), input);
      });
    }
    define(Symbol.iterator, prototype.entries);
    define("get", prototype.look);
    define("has", function (this: RequestHeaders, name: string) {
      return this.look(name) !== null;
    });
  }
}

const { get, append } = Headers.prototype;
