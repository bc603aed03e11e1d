/** What the person at the command line can do something about, in one line; shown without a stack. */
export class UserError extends Error {
  override readonly name: string = "UserError";
}
