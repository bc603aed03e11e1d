import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";

type Parts = readonly Uint8Array[];

/** Bytes; fewer are copied faster than they are written by themselves. */
const largeMin = 4 * 1024;
const none = new Uint8Array();

/**
 * A message in protobuf's binary format in parts, together what `serialize` makes of it. `serialize` copies all bytes
 * twice, into buffers that keep the garbage collector busier than all the rest of a download. So the last field, if it
 * holds many bytes, is a part of its own, uncopied.
 */
export function inParts(type: DescMessage, serialize: (message: Message) => Uint8Array): (message: Message) => Parts {
  const last = type.fields.toSorted((a, b) => a.number - b.number).at(-1);
  if (last === undefined || !isPlainBytes(last)) return (message) => [serialize(message)];
  const { localName, number } = last;
  return (message) => {
    const bytes = message[localName as keyof Message] as unknown as Uint8Array;
    // Unknown fields come after the last field.
    if (bytes.length < largeMin || message.$unknown !== undefined) return [serialize(message)];
    const rest = Object.assign(Object.create(Object.getPrototypeOf(message)), message, { [localName]: none });
    const writer = new BinaryWriter().raw(serialize(rest)).tag(number, WireType.LengthDelimited);
    return [writer.uint32(bytes.length).finish(), bytes];
  };
}

/** Bytes with implicit presence, so that empty ones are left out, and outside any oneof. */
function isPlainBytes(field: DescField): boolean {
  const { fieldKind, oneof, presence } = field;
  return fieldKind === "scalar" && field.scalar === ScalarType.BYTES && oneof === undefined && presence === implicit;
}

const implicit = FeatureSet_FieldPresence.IMPLICIT;
