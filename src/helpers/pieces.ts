/** The most bytes of a picture or file that stores and services give at a time. */
export const pieceBytes = 64 * 1024;

/** Yields the bytes, not copied, in pieces of at most `pieceBytes`. */
export function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}
