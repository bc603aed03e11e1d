/** An error that the person at the command line can solve; shown in one line, without a stack. */
export class UserError extends Error {
  override readonly name: string = "UserError";
}
