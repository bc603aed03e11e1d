import { UserError } from "../user-error.ts";

/** Says what is wrong with which variable. */
export class ConfigError extends UserError {
  override readonly name = "ConfigError";

  constructor(variable: string, rule: string) {
    super(`${variable}: ${rule}`);
  }
}
