/** The same bytes; throws the error of `tooMany` once there are more than `max`. */
export async function* limitedBytes<Piece extends Uint8Array>(
  bytes: AsyncIterable<Piece>,
  max: number,
  tooMany: () => Error,
): AsyncGenerator<Piece> {
  let size = 0;
  for await (const piece of bytes) {
    size += piece.byteLength;
    if (size > max) throw tooMany();
    yield piece;
  }
}
