const idPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** For patterns that a UUID is a part of: in lower case, as ours are. */
export const uuidSource = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
export const clientIdLength = 16;
export const clientIdSource = `[a-z0-9]{${clientIdLength}}`;
const clientIdPattern = new RegExp(`^${clientIdSource}$`);

/** The usual form of a UUID that is given without hyphens; other text as it is. */
export function hyphenated(text: string): string {
  return text.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Whether this can be an id at all: safe in a path, a query and a log line. */
export function isId(text: string): boolean {
  return idPattern.test(text);
}

/** Whether this can be a client's id; an account's id, which is a UUID, cannot. */
export function isClientId(text: string): boolean {
  return clientIdPattern.test(text);
}
