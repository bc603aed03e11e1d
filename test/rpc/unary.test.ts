import { once } from "node:events";
import { create } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createClient,
  type HandlerContext,
  type Interceptor,
  type UnaryResponse,
} from "@connectrpc/connect";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  Health,
  HealthCheckResponseSchema,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/health/v1/health_pb.ts";
import { createLog } from "../../src/log/log.ts";
import { refusal } from "../support/refusals.ts";
import { openRpcPort, type RpcPortOptions } from "../support/rpc-port.ts";
import { protocols } from "../support/transports.ts";
import { requestHttp2 } from "../support/wire.ts";

type Check = (context: HandlerContext) => unknown;
/** Together some megabytes. */
const many = Object.fromEntries(
  Array.from({ length: 20_000 }, (_, index) => [
    `größe-${index}-${"x".repeat(100)}`,
    create(HealthCheckResponseSchema, { status: Status.SERVING }),
  ]),
);
const checkPath = "/grpc.health.v1.Health/Check";

/** What a handler sees, and may do, must not depend on the path that a call takes. */
describe.each([
  ["the fast path", true],
  ["connect-node's own path", false],
])("%s", (_what, fast) => {
  async function open(check: Check, options: Partial<RpcPortOptions> = {}): Promise<string> {
    const health = {
      async check(_request: unknown, context: HandlerContext) {
        await check(context);
        return { status: Status.SERVING };
      },
      list: () => ({ statuses: many }),
    };
    const port = await openRpcPort({
      routes: (router) => void router.service(Health, health),
      fast,
      log: createLog("silent"),
      ...options,
    });
    onTestFinished(() => port.drain(0));
    return `http://127.0.0.1:${port.address.port}`;
  }
  const post = (url: string, headers: Record<string, string> = {}, body = "{}") =>
    fetch(url + checkPath, { method: "POST", headers: { "content-type": "application/json", ...headers }, body });
  /** Rejects with its reason. */
  const endOf = async (signal: AbortSignal): Promise<never> => {
    if (!signal.aborted) await once(signal, "abort");
    throw signal.reason;
  };

  describe.each(protocols)("over $name", ({ open: transport }) => {
    test("carries headers and trailers of both sides", async () => {
      const seen: string[] = [];
      const url = await open(({ requestHeader, responseHeader, responseTrailer }) => {
        seen.push(requestHeader.get("X-Asked") ?? "", String(requestHeader.has("x-other")));
        responseHeader.append("set-cookie", "a=1; path=/");
        responseHeader.append("set-cookie", "b=2; path=/");
        responseTrailer.set("x-after", "then");
      });
      let [cookies, after]: [string[], string | null] = [[], null];
      await createClient(Health, transport(url)).check(
        {},
        {
          headers: { "x-asked": "this" },
          onHeader: (header) => {
            cookies = header.getSetCookie();
          },
          onTrailer: (trailer) => {
            after = trailer.get("x-after");
          },
        },
      );
      expect({ seen, cookies, after }).toEqual({
        seen: ["this", "false"],
        cookies: ["a=1; path=/", "b=2; path=/"],
        after: "then",
      });
    });

    test("aborts the signal when the caller goes away", async () => {
      const leaving = new AbortController();
      const aborted = Promise.withResolvers<boolean>();
      const url = await open(async ({ signal }) => {
        leaving.abort();
        await endOf(signal).catch(() => aborted.resolve(signal.aborted));
      });
      await refusal(createClient(Health, transport(url)).check({}, { signal: leaving.signal }));
      expect(await aborted.promise).toBe(true);
    });

    test("aborts the signal with what the server stops for", async () => {
      const stopping = new AbortController();
      const url = await open(
        ({ signal }) => {
          stopping.abort(new ConnectError("come back later", Code.Unavailable));
          return endOf(signal);
        },
        { stopping: stopping.signal },
      );
      const refused = await refusal(createClient(Health, transport(url)).check({}));
      expect(refused).toMatchObject({ code: "Unavailable", message: "come back later" });
    });

    test("brings a large answer whole", async () => {
      const url = await open(() => {});
      const { statuses } = await createClient(Health, transport(url)).list({});
      expect(statuses).toEqual(many);
    });
  });

  test("tells a handler all headers, also those that it sets itself", async () => {
    const seen: unknown[] = [];
    const url = await open(({ requestHeader }) => {
      const copy = new Headers(requestHeader);
      seen.push(copy.get("x-one"), [...requestHeader.keys()].includes("x-two"));
      requestHeader.set("x-one", "own");
      seen.push(requestHeader.get("x-one"), requestHeader.get("x-two"), requestHeader.get("constructor"));
    });
    expect((await post(url, { "x-one": "1", "x-two": "2" })).status).toBe(200);
    expect(seen).toEqual(["1", true, "own", "2", null]);
  });

  test("answers at an IPv6 address, which Node's client tells without its brackets", async () => {
    let seen = "";
    const url = await open((context) => {
      seen = context.url;
    });
    const headers = { ":method": "POST", ":path": checkPath, "content-type": "application/json" };
    const answer = await requestHttp2(url, { ...headers, ":authority": "fd00::1:8080" }, Buffer.from("{}"));
    expect([answer.status, seen]).toEqual([200, `http://[fd00::1]:8080${checkPath}`]);
  });

  test("aborts the signal when the call has ended, and no sooner", async () => {
    let signal: AbortSignal | undefined;
    let early: boolean | undefined;
    const url = await open((context) => {
      signal = context.signal;
      early = signal.aborted;
    });
    await post(url);
    expect({ early, late: signal?.aborted }).toEqual({ early: false, late: true });
  });

  test.each([["20m"], ["20500u"], ["1n"]])("ends at a gRPC timeout of %s", async (timeout) => {
    let left: number | undefined;
    const url = await open(({ signal, timeoutMs }) => {
      left = timeoutMs();
      return endOf(signal);
    });
    const headers = { ":method": "POST", ":path": checkPath, "content-type": "application/grpc", te: "trailers" };
    const { trailers } = await requestHttp2(url, { ...headers, "grpc-timeout": timeout }, Buffer.alloc(5));
    expect(trailers["grpc-status"]).toBe(String(Code.DeadlineExceeded));
    expect(Number.isInteger(left)).toBe(true);
    expect(left).toBeLessThanOrEqual(21);
  });

  test("gives interceptors what they can spread, change and pass on", async () => {
    const outside: unknown[] = [];
    const outer: Interceptor = (next) => async (request) => {
      const response = await next(request);
      outside.push(request.header.get("x-asked"), response.header.get("x-answer"));
      return response;
    };
    const inner: Interceptor = (next) => async (request) => {
      const header = new Headers({ "x-asked": "changed" });
      const response = await next({ ...request, header });
      if (response.stream) return response;
      outside.push(request.url, request.signal.aborted, response.trailer.get("x-after"));
      return { ...response, header: new Headers({ "x-answer": "changed" }) };
    };
    const url = await open(
      ({ requestHeader, responseHeader, responseTrailer }) => {
        outside.push(requestHeader.get("x-asked"));
        responseHeader.set("x-answer", "first");
        responseTrailer.set("x-after", "then");
      },
      { interceptors: [outer, inner] },
    );
    const response = await post(url, { "x-asked": "this" });
    expect(response.headers.get("x-answer")).toBe("changed");
    expect(response.headers.get("trailer-x-after")).toBe("then");
    expect(outside).toEqual(["changed", `${url}${checkPath}`, false, "then", "this", "changed"]);
  });

  test("lets interceptors answer by themselves", async () => {
    const answering: Interceptor = () => async (request) =>
      ({
        stream: false,
        service: request.service,
        method: request.method,
        message: create(HealthCheckResponseSchema, { status: Status.NOT_SERVING }),
        header: new Headers({ "x-answer": "own" }),
        trailer: new Headers(),
      }) as UnaryResponse;
    const url = await open(() => {}, { interceptors: [answering] });
    const response = await post(url);
    expect(response.headers.get("x-answer")).toBe("own");
    expect(await response.json()).toEqual({ status: "NOT_SERVING" });
  });

  test("keeps the signal aborted for what goes on after the answer", async () => {
    let context: HandlerContext | undefined;
    const url = await open((given) => {
      context = given;
    });
    await post(url);
    expect(context?.signal.aborted).toBe(true);
  });

  test("asks the gate before it reads the body", async () => {
    const gate = async ({ requestHeader, responseHeader }: HandlerContext) => {
      responseHeader.set("x-gate", "seen");
      if (!requestHeader.has("x-pass")) throw new ConnectError("no", Code.PermissionDenied);
    };
    const url = await open(() => {}, { gate });
    const refused = await post(url, {}, "this is no JSON");
    expect([refused.status, refused.headers.get("x-gate")]).toEqual([403, "seen"]);
    const passed = await post(url, { "x-pass": "yes" });
    expect([passed.status, passed.headers.get("x-gate")]).toEqual([200, "seen"]);
  });

  test("says nothing of a fault that nobody foresaw", async () => {
    const url = await open(
      () => {
        throw new Error("a secret");
      },
      { interceptors: [] },
    );
    const headers = { ":method": "POST", ":path": checkPath, "content-type": "application/grpc", te: "trailers" };
    const { trailers } = await requestHttp2(url, headers, Buffer.alloc(5));
    expect(trailers["grpc-status"]).toBe(String(Code.Internal));
    expect(trailers["grpc-message"]).toMatch(/^internal%20error/);
    const told = await (await post(url)).text();
    expect(told).toMatch(/^{"code":"internal","message":"internal error/);
    expect(told).not.toContain("secret");
  });
});
