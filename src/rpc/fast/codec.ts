import { type DescMethod, type JsonWriteStringOptions, type Message, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { createMethodSerializationLookup } from "@connectrpc/connect/protocol";
import { inParts } from "./parts.ts";
import type { Options } from "./procedures.ts";
import { writtenOnce } from "./repeated.ts";

/** A method's messages in one format: the request's from bytes, the response's to what can be written. */
export interface Codec {
  parse(bytes: Uint8Array): Message;
  serialize(message: Message): string | Uint8Array;
  /** The same in one or more parts. */
  serializeInParts(message: Message): readonly Uint8Array[];
}

export function codecsOf(method: DescMethod, options: Options): { binary: Codec; json: Codec } {
  const lookup = createMethodSerializationLookup(method, options.binaryOptions, options.jsonOptions, options);
  // Left as text: Node then writes it together with the headers.
  function toText(message: Message): string {
    try {
      return toJsonString(method.output, message, options.jsonOptions as JsonWriteStringOptions);
    } catch (error) {
      throw ConnectError.from(error, Code.Internal);
    }
  }
  const { serialize } = lookup.getO(true);
  return {
    binary: {
      parse: callersFault(lookup.getI(true).parse),
      serialize: writtenOnce(serialize),
      serializeInParts: inParts(method.output, serialize),
    },
    json: {
      parse: lookup.getI(false).parse,
      serialize: writtenOnce(toText),
      serializeInParts: (message) => [Buffer.from(toText(message))],
    },
  };
}

/** Bytes that are no message: Connect says `internal`, but they are the caller's fault, as they are in JSON. */
function callersFault(parse: Codec["parse"]): Codec["parse"] {
  return (bytes) => {
    try {
      return parse(bytes);
    } catch (error) {
      const { code, rawMessage } = ConnectError.from(error);
      throw code === Code.Internal ? new ConnectError(rawMessage, Code.InvalidArgument) : error;
    }
  };
}
