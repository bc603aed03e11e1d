/** The path of a request's URL: all before its query. */
export function pathOf(url = ""): string {
  const query = url.indexOf("?");
  return query === -1 ? url : url.slice(0, query);
}

/**
 * As PocketBase and FastAPI have it, a path may end with a slash, as clients and balancers' probes write it. One that is
 * relayed stays what it is.
 */
export function withoutSlash(url: string): string {
  return url.startsWith("/v1/") ? url : url.replace(/^([^?]+[^?/])\/+(?=\?|$)/, "$1");
}
