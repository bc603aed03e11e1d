/** The path of a request's URL: all before its query. */
export function pathOf(url = ""): string {
  const query = url.indexOf("?");
  return query === -1 ? url : url.slice(0, query);
}

/**
 * As in PocketBase and FastAPI, a path may end with a slash, as clients and balancers' probes write it; and it may
 * begin with two, where a caller's base URL ends with one. A relayed path is left as it is.
 */
export function withoutExtraSlashes(url: string): string {
  if (/^\/+v1\//.test(url)) return url;
  return url.replace(/^\/{2,}/, "/").replace(/^([^?]+[^?/])\/+(?=\?|$)/, "$1");
}
