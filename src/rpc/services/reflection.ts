import { type DescFile, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type {
  ServerReflection,
  ServerReflectionRequest,
  ServerReflectionResponse,
} from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import type {
  ServerReflection as ServerReflectionAlpha,
  ServerReflectionRequest as ServerReflectionRequestAlpha,
} from "../../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { createSlots } from "../../helpers/slots.ts";
import { networkOf } from "../../model/address.ts";
import { DomainError } from "../../model/errors.ts";
import { callOf } from "../call.ts";
import { cutShort, untilAborted } from "./cut-short.ts";

type Question = Pick<ServerReflectionRequest, "messageRequest"> | Pick<ServerReflectionRequestAlpha, "messageRequest">;
/** The same for both versions, which differ in name alone. */
type Answer = PlainAnswer<ServerReflectionResponse["messageResponse"]>;
// The fields that a message is made from, without its type's name.
type PlainAnswer<T> = T extends { case: infer C; value: infer V } ? { case: C; value: Plain<V> } : never;
type Plain<T> = T extends Uint8Array | string | number
  ? T
  : T extends (infer E)[]
    ? Plain<E>[]
    : { [K in Exclude<keyof T, "$typeName" | "$unknown">]: Plain<T[K]> };

/** Streams at a time, of one address (an IPv6 /64) and of all, and questions on each: anybody may ask. */
export const reflectionMax = { streams: { each: 100, all: 1000 }, questions: 100 } as const;
const streamEnds = "the stream ends here; call again";
const streamsFull = new DomainError(
  "resource_exhausted",
  "REFLECTION_FULL",
  "as many streams of reflection are open as this server keeps: end some",
  { retryAfterMs: 1000 },
);
const streamSpent = new DomainError(
  "resource_exhausted",
  "REFLECTION_SPENT",
  `a stream of reflection has ${reflectionMax.questions} questions: open another for more`,
);

/** Tells tools that have no proto files which services there are, and how their messages look. */
export function reflection(services: readonly string[], files: readonly DescFile[]) {
  const catalogue = new Catalogue(files);
  const takeSlot = createSlots(reflectionMax.streams);

  function answer({ messageRequest }: Question): Answer {
    switch (messageRequest.case) {
      case "listServices":
        return { case: "listServicesResponse", value: { service: services.map((name) => ({ name })) } };
      case "fileByFilename":
        return catalogue.byName(messageRequest.value) ?? missing(messageRequest.value);
      case "fileContainingSymbol":
        return catalogue.bySymbol(messageRequest.value) ?? missing(messageRequest.value);
      case "fileContainingExtension":
        return missing(messageRequest.value.containingType);
      case "allExtensionNumbersOfType":
        return missing(messageRequest.value);
      default:
        return { case: "errorResponse", value: { errorCode: Code.InvalidArgument, errorMessage: "nothing was asked" } };
    }
  }

  async function* serverReflectionInfo<Request extends Question & { readonly host: string }>(
    requests: AsyncIterable<Request>,
    context: HandlerContext,
  ) {
    const { signal } = context;
    if (signal.aborted) throw cutShort(signal, streamEnds);
    const leave = takeSlot(networkOf(callOf(context).address));
    if (leave === undefined) throw streamsFull;
    // Not in a `finally`: over HTTP/2, connect-node may not tell the iterator of its end.
    signal.addEventListener("abort", leave);
    let left: number = reflectionMax.questions;
    for await (const request of untilAborted(requests, signal, streamEnds)) {
      if (left === 0) throw streamSpent;
      left -= 1;
      yield { validHost: request.host, originalRequest: request, messageResponse: answer(request) };
    }
  }

  return {
    v1: { serverReflectionInfo } satisfies ServiceImpl<typeof ServerReflection>,
    v1alpha: { serverReflectionInfo } satisfies ServiceImpl<typeof ServerReflectionAlpha>,
  };
}

class Catalogue {
  readonly #byName = new Map<string, DescFile>();
  readonly #bySymbol = new Map<string, DescFile>();
  readonly #answers = new Map<DescFile, Answer>();

  constructor(files: readonly DescFile[]) {
    for (const file of files) this.#add(file);
  }

  byName(name: string): Answer | undefined {
    return this.#described(this.#byName.get(name));
  }

  /** A field or method is found by the type it belongs to. */
  bySymbol(symbol: string): Answer | undefined {
    return this.#described(this.#bySymbol.get(symbol) ?? this.#bySymbol.get(symbol.slice(0, symbol.lastIndexOf("."))));
  }

  /** Made once: it takes a millisecond, and anybody may ask. */
  #described(file: DescFile | undefined): Answer | undefined {
    return file && this.#answers.getOrInsertComputed(file, described);
  }

  #add(file: DescFile): void {
    if (this.#byName.has(file.proto.name)) return;
    this.#byName.set(file.proto.name, file);
    for (const type of nestedTypes(file)) {
      this.#bySymbol.set(type.typeName, file);
      // Values stand beside their enum, not inside it.
      const scope = type.typeName.slice(0, type.typeName.lastIndexOf(".") + 1);
      if (type.kind === "enum") for (const value of type.values) this.#bySymbol.set(scope + value.name, file);
    }
    for (const dependency of file.dependencies) this.#add(dependency);
  }
}

function described(file: DescFile): Answer {
  const all = new Set<DescFile>();
  collect(file, all);
  const fileDescriptorProto = [...all].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function collect(file: DescFile, into: Set<DescFile>): void {
  into.add(file);
  for (const dependency of file.dependencies) if (!into.has(dependency)) collect(dependency, into);
}

function missing(asked: string): Answer {
  return { case: "errorResponse", value: { errorCode: Code.NotFound, errorMessage: `not found: ${asked}` } };
}
