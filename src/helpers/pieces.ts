/** The most that stores and services give of a picture or file at a time. */
export const pieceBytes = 64 * 1024;

/** The same bytes, not copied, in pieces of at most that many. */
export function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}
