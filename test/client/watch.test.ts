import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ImageJobService, State } from "../../gen/darkroom/imagejob/v1/image_job_pb.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { fetchPicture } from "../../src/client/pictures.ts";
import { snapshots } from "../../src/client/watch.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => void vi.useRealTimers());

type Step = { readonly version: bigint; readonly state?: State } | "silence" | "end" | Error;

/** What a stream sends next; it throws, or waits until its caller goes away. */
async function play(step: Exclude<Step, "end">, signal: AbortSignal) {
  if (step instanceof Error) throw step;
  if (step !== "silence") return step;
  return new Promise<never>((_, reject) => signal.addEventListener("abort", reject));
}

/** A server whose streams follow these scripts, one after another, and which versions it was asked for. */
function scripted(...scripts: (readonly Step[])[]) {
  const asked: bigint[] = [];
  const transport = createRouterTransport(({ service }) => {
    service(ImageJobService, {
      async *watchImageJob({ afterVersion }, { signal }) {
        asked.push(afterVersion);
        const script = scripts[Math.min(asked.length, scripts.length) - 1] ?? [];
        for (const step of script) {
          if (step === "end") return;
          yield { job: { state: State.RUNNING, ...(await play(step, signal)) } };
        }
      },
    });
  });
  return { asked, jobs: createClient(ImageJobService, transport) };
}

/** All versions that a caller sees, and the error at the end. */
async function seen(server: ReturnType<typeof scripted>, signal?: AbortSignal) {
  const versions: bigint[] = [];
  let error: unknown;
  const watched = (async () => {
    for await (const { version } of snapshots(server.jobs, "a-job", signal)) versions.push(version);
  })().catch((reason: unknown) => {
    error = reason;
  });
  let done = false;
  watched.then(() => {
    done = true;
  });
  while (!done) await vi.advanceTimersByTimeAsync(1000);
  return { versions, error };
}

const done: Step = { version: 9n, state: State.SUCCEEDED };
const away = new ConnectError("away", Code.Unavailable);

test("a stream that ends early is resumed, and nothing is told twice", async () => {
  const server = scripted([{ version: 3n }, "end"], [{ version: 3n }, { version: 5n }, away], [done]);
  expect(await seen(server)).toEqual({ versions: [3n, 5n, 9n], error: undefined });
  expect(server.asked).toEqual([0n, 2n, 4n]);
});

test("a stream without news is replaced after a minute, as often as it takes", async () => {
  const waits = Array.from({ length: 16 }, (): readonly Step[] => [{ version: 3n }, "silence"]);
  const server = scripted(...waits, [done]);
  expect(await seen(server)).toEqual({ versions: [3n, 9n], error: undefined });
  expect(server.asked).toHaveLength(17);
});

test("a server that is silent is given up", async () => {
  const server = scripted([{ version: 3n }, "silence"], ["silence"]);
  expect(await seen(server)).toMatchObject({ versions: [3n], error: { code: Code.DeadlineExceeded } });
  expect(server.asked).toHaveLength(2);
});

test("a server that stays away is given up after ten tries", async () => {
  const server = scripted([{ version: 3n }, away], [away]);
  expect(await seen(server)).toMatchObject({ versions: [3n], error: { code: Code.Unavailable } });
  expect(server.asked).toHaveLength(10);
});

test("a refusal is final, and so is a fault of the server, which gives a reason", async () => {
  const fault = new ConnectError("internal error", Code.Internal);
  fault.details.push({ desc: ErrorInfoSchema, value: { reason: "INTERNAL" } });
  for (const error of [new ConnectError("no such job", Code.NotFound), fault]) {
    const server = scripted([error]);
    expect(await seen(server)).toMatchObject({ error: { code: error.code } });
    expect(server.asked).toHaveLength(1);
  }
});

test("too much is tried again only when the server says when, and that is soon", async () => {
  const exhausted = { error: { code: Code.ResourceExhausted } };
  const full = new ConnectError("full", Code.ResourceExhausted);
  expect(await seen(scripted([full], [done]))).toMatchObject(exhausted);
  expect(await seen(scripted([fullFor(20n)], [done]))).toEqual({ versions: [9n], error: undefined });
  for (const scripts of [[[fullFor(3600n)]], [[fullFor(20n)], [fullFor(20n)]]]) {
    const server = scripted(...scripts, [done]);
    expect(await seen(server)).toMatchObject(exhausted);
    expect(server.asked).toHaveLength(scripts.length);
  }
});

function fullFor(seconds: bigint): ConnectError {
  const full = new ConnectError("full", Code.ResourceExhausted);
  full.details.push({ desc: RetryInfoSchema, value: { retryDelay: { seconds } } });
  return full;
}

test("a picture may take as long as it likes, as long as pieces of it come", async () => {
  const transport = createRouterTransport(({ service }) => {
    service(ImageJobService, {
      async *getImage() {
        for (const data of [Buffer.of(1), Buffer.of(2), Buffer.of(3)]) {
          await new Promise((resolve) => setTimeout(resolve, 20_000));
          yield { image: {}, data };
        }
      },
    });
  });
  let bytes: Uint8Array | undefined;
  const fetched = fetchPicture(createClient(ImageJobService, transport), "any").then((picture) => {
    bytes = picture.bytes;
  });
  await vi.advanceTimersByTimeAsync(70_000);
  await fetched;
  expect(bytes).toEqual(Uint8Array.of(1, 2, 3));
});

test("an abort ends it with the signal's reason, on an open stream and between two", async () => {
  const reason = new Error("enough");
  for (const script of [["silence"], [away]] as const) {
    const stop = new AbortController();
    setTimeout(() => stop.abort(reason), 500);
    expect(await seen(scripted(script), stop.signal)).toEqual({ versions: [], error: reason });
  }
});
