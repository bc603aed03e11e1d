/** What Service Bus answers: an AMQP error's condition and description, and the status of an answer of $management. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly condition: string;
  readonly status: number;

  constructor(condition: string, description: string, status: number) {
    super(description);
    this.condition = condition;
    this.status = status;
  }
}

export const lockLost = () =>
  new Refusal("com.microsoft:message-lock-lost", "The lock supplied is invalid. Either the lock expired, or …", 410);
export const notFound = (path: string) =>
  new Refusal("amqp:not-found", `The messaging entity '${path}' could not be found.`, 404);
export const unauthorized = (path: string) =>
  new Refusal("amqp:unauthorized-access", `Unauthorized access to '${path}'.`, 401);
export const tooLarge = () =>
  new Refusal("amqp:link:message-size-exceeded", "The message is larger than is allowed.", 413);
export const busy = () => new Refusal("com.microsoft:server-busy", "The server is busy; try again later.", 503);
export const malformed = (what: string) => new Refusal("amqp:decode-error", what, 400);
