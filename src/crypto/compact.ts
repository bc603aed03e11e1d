import { InvalidToken } from "../ports/credentials.ts";

const compact = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Of one token there are no other spellings: jose's base64url takes blanks and base64's own signs, too. */
export function assertCompact(token: string): void {
  if (!compact.test(token)) throw new InvalidToken("not in JWS's compact form");
}
