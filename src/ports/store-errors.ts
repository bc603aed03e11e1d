/** A unique value is taken. Which one, the caller looks up: not every engine can tell. */
export class DuplicateKey extends Error {
  override readonly name = "DuplicateKey";
}
