import {
  type DescMethod,
  fromJson,
  type JsonReadOptions,
  type JsonValue,
  type JsonWriteStringOptions,
  type Message,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { createMethodSerializationLookup, getJsonOptions } from "@connectrpc/connect/protocol";
import { callersFault } from "../errors.ts";
import type { Options } from "./call.ts";
import { inParts } from "./parts.ts";
import { pooled } from "./pooled.ts";
import { serializedOnce } from "./serialized-once.ts";

/**
 * Parses a method's requests and serializes its responses, in one format. A response that cannot be serialized is a fault of
 * ours: its error is not Connect's, whose text the caller would read.
 */
export interface Codec {
  parse(bytes: Uint8Array): Message;
  serialize(message: Message): string | Uint8Array;
  /** The same in one or more parts. */
  serializeInParts(message: Message): readonly Uint8Array[];
}

export function codecsOf(method: DescMethod, options: Options): { binary: Codec; json: Codec } {
  const lookup = createMethodSerializationLookup(method, options.binaryOptions, options.jsonOptions, options);
  const toBytes = pooled((message) => toBinary(method.output, message, options.binaryOptions));
  // Left as text: Node then writes it together with the headers.
  const toText = (message: Message) =>
    toJsonString(method.output, message, options.jsonOptions as JsonWriteStringOptions);
  return {
    binary: {
      parse: blamingCaller(lookup.getI(true).parse),
      serialize: serializedOnce(toBytes),
      serializeInParts: inParts(method.output, toBytes),
    },
    json: {
      parse: sparingSearch(method, options, lookup.getI(false).parse),
      serialize: serializedOnce(toText),
      serializeInParts: (message) => [Buffer.from(toText(message))],
    },
  };
}

/** JSON that is no message is the caller's fault already. */
function blamingCaller(parse: Codec["parse"]): Codec["parse"] {
  return (bytes) => {
    try {
      return parse(bytes);
    } catch (error) {
      throw callersFault(error);
    }
  };
}

/** Bytes of JSON from which on it pays to spare the search. */
const searchedMax = 64 * 1024;
const colon = ":".charCodeAt(0);

/**
 * Protobuf searches JSON, character by character, for names that come twice: most of the time of a large text, such as a
 * picture's. With one colon there is one name.
 */
function sparingSearch({ input }: DescMethod, { jsonOptions }: Options, parse: Codec["parse"]): Codec["parse"] {
  const readOptions = getJsonOptions(jsonOptions) as JsonReadOptions;
  return (bytes) => {
    if (bytes.length <= searchedMax || bytes.indexOf(colon) !== bytes.lastIndexOf(colon)) return parse(bytes);
    let json: JsonValue;
    try {
      json = JSON.parse(new TextDecoder().decode(bytes));
    } catch {
      // Tells what is wrong with it.
      return parse(bytes);
    }
    try {
      return fromJson(input, json, readOptions);
    } catch (error) {
      throw ConnectError.from(error, Code.InvalidArgument);
    }
  };
}
