import { Command } from "commander";
import { UserError } from "../../user-error.ts";
import { actions, type OperatorSettings } from "./operator.ts";

/** `darkroom token …` */
export function tokenCommands(settings: OperatorSettings): Command {
  const act = actions(settings);
  const group = new Command("token").description("look at credentials");
  const inspect = group
    .command("inspect")
    .description("whether DARKROOM_API_KEY is a good credential, of any kind, and whose");
  act(inspect, async ({ auth, credential, asGuest }) => {
    if (credential === "") throw new UserError("DARKROOM_API_KEY: must be the credential to look at");
    const { valid, principal } = await auth.validate({ credential }, asGuest);
    if (!valid) throw new UserError("DARKROOM_API_KEY: is not a good credential");
    const { account, client } = principal ?? {};
    return [
      { valid, account: account?.username, client: client?.id, scopes: client?.scopes, session: principal?.sessionId },
    ];
  });
  return group;
}
