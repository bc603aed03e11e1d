import { Command, InvalidArgumentError } from "commander";
import type { ApiClient } from "../../client/index.ts";
import { actions, type OperatorSettings } from "./operator.ts";
import { pages } from "./pages.ts";
import type { Row } from "./render.ts";
import { timeOf } from "./times.ts";

/** `darkroom client …`: the services that call with keys of their own. */
export function clientCommands(settings: OperatorSettings): Command {
  const act = actions(settings);
  const group = new Command("client").description("keep the services that call with keys");

  const create = group.command("create").description("make a client; its key is shown this once").argument("<name>");
  create
    .option("--scope <scope...>", "what it may do, for example jobs:submit", [])
    .option("--limit <calls>", "calls it may make in a minute; the server's default without", wholeNumber, 0)
    .option("--description <text>", "", "");
  act(create, async ({ auth, as }, name = "") => {
    const { scope, description, limit } = create.opts<{ scope: string[]; description: string; limit: number }>();
    const wanted = { name, description, scopes: scope, limitPerMinute: limit };
    const { client, apiKey } = await auth.createClient({ client: wanted }, as);
    return [{ ...rowOf(client), key: apiKey }];
  });

  act(group.command("list").description("all clients, the newest first"), async ({ auth, as }) =>
    (
      await pages(
        (page) => auth.listClients(page, as),
        ({ clients }) => clients,
      )
    ).map(rowOf),
  );

  for (const [name, disabled] of [
    ["disable", true],
    ["enable", false],
  ] as const) {
    const command = group.command(name).description(`${name} a client`).argument("<id>");
    act(command, async ({ auth, as }, id = "") => {
      const wanted = { client: { id, disabled }, updateMask: { paths: ["disabled"] } };
      return [rowOf((await auth.updateClient(wanted, as)).client)];
    });
  }

  const regenerate = group.command("regenerate").description("give a client a new key").argument("<id>");
  regenerate.option("--grace-hours <number>", "how long the old key still works", wholeNumber, 0);
  act(regenerate, async ({ auth, as }, clientId = "") => {
    const { graceHours } = regenerate.opts<{ graceHours: number }>();
    const gracePeriod = { seconds: BigInt(graceHours) * 3600n };
    const { client, apiKey } = await auth.regenerateClientKey({ clientId, gracePeriod }, as);
    return [{ ...rowOf(client), key: apiKey }];
  });

  act(group.command("delete").description("delete a client").argument("<id>"), async ({ auth, as }, clientId = "") => {
    await auth.deleteClient({ clientId }, as);
    return [{ id: clientId, deleted: true }];
  });
  return group;
}

/** As many digits as any message can carry. */
function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("it must be a whole number of at most 9 digits");
  return Number(text);
}

function rowOf(client: ApiClient | undefined): Row {
  return {
    id: client?.id,
    name: client?.name,
    scopes: client?.scopes,
    per_minute: client?.limitPerMinute,
    disabled: client?.disabled,
    expires: timeOf(client?.expireTime),
    last_used: timeOf(client?.lastUseTime),
  };
}
