/** The credential in an `Authorization` header: `Bearer TOKEN`, in any letter case. Undefined when there is none. */
export function credentialOf(authorization: string | null | undefined): string | undefined {
  return /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
}
