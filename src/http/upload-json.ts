import { type DomainError, invalidField } from "../model/errors.ts";

/** Of commas, brackets and braces. Each may become an object, which takes fifty times its bytes and as long to make. */
const signsMax = 1000;
const signs = [",", "[", "{"].map((sign) => sign.charCodeAt(0));

/** Looks at a picture's JSON, piece by piece, before it is parsed: one text makes nearly all of it. Refuses it when it does not. */
export function uploadJsonCheck(refuse: (refusal: DomainError) => never): (piece: Buffer) => void {
  let count = 0;
  return (piece) => {
    for (const sign of signs)
      for (let at = piece.indexOf(sign); at !== -1; at = piece.indexOf(sign, at + 1))
        if (++count > signsMax) refuse(manifold);
  };
}

const manifold = invalidField(
  "data",
  `must be all but alone: at most ${signsMax} commas, brackets and braces in the JSON`,
);
/** What is compressed shows its signs only when it is in memory whole. */
export const compressedJson = invalidField(
  "data",
  "must come uncompressed as JSON: leave out content-encoding, or send application/proto",
);
