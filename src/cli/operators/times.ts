/** RFC 3339, or empty when there is none. */
export function timeOf(time: { readonly seconds: bigint } | undefined): string {
  return time === undefined ? "" : new Date(Number(time.seconds) * 1000).toISOString().replace(".000", "");
}
