import { createHmac, randomUUID } from "node:crypto";
import rhea from "rhea";
import { malformed, unauthorized } from "./refusal.ts";

export const keyName = "RootManageSharedAccessKey";
export const key = "c2VydmljZS1idXMtYnJva2VyLWZvci10ZXN0cw==";

/** The path that a shared access signature opens. Throws Refusal for one that is forged, spent or of another name. */
export function checkToken(token: string, audience: string): string {
  const [, fields = ""] = /^SharedAccessSignature (.*)$/.exec(token) ?? [];
  const { sr = "", sig, se, skn } = Object.fromEntries(new URLSearchParams(fields.replaceAll("+", "%2B")));
  const expected = createHmac("sha256", key)
    .update(`${encodeURIComponent(sr)}\n${se}`)
    .digest("base64");
  if (skn !== keyName || sig !== expected || Number(se) * 1000 < Date.now()) throw unauthorized(audience);
  if (sr !== audience) throw malformed("the signature is for another resource");
  return new URL(audience.replace(/^sb:/, "http:")).pathname.slice(1);
}

export function newLockToken(): string {
  return randomUUID();
}

/** The delivery's tag: the token as .NET writes a Guid, its first three groups turned round. */
export function tagOf(lockToken: string): Buffer {
  const bytes = rhea.string_to_uuid(lockToken);
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}
