import { Command, InvalidArgumentError, Option } from "commander";
import type { ApiClient } from "../../client/index.ts";
import { actions, type OperatorSettings } from "./operator.ts";
import { pages } from "./pages.ts";
import type { Row } from "./render.ts";
import { timeOf } from "./times.ts";

const which = ["<id>", "as client list shows it"] as const;

/** `darkroom client …`: the services that call with keys of their own. */
export function clientCommands(settings: OperatorSettings): Command {
  const act = actions(settings);
  const group = new Command("client").description("manage the services that call with keys");

  const create = group.command("create").description("make a client; its key is shown this once");
  create
    // Scopes that stood before the name would take it for one of them.
    .usage("<name> [options]")
    .argument("<name>", "1 to 100 characters, for people")
    .addOption(
      new Option("--scope <scope...>", "what it may do: docs/clients.md has the scopes").default([], "nothing"),
    )
    .addOption(limitOption())
    .addOption(new Option("--description <text>", "what it is, for people").default("", "none"));
  act(create, async ({ auth, as }, name = "") => {
    const { scope, description, limit } = create.opts<{ scope: string[]; description: string; limit: number }>();
    const wanted = { name, description, scopes: scope, limitPerMinute: limit };
    const { client, apiKey } = await auth.createClient({ client: wanted }, as);
    return [{ ...rowOf(client), key: apiKey }];
  });

  act(group.command("list").description("all clients, the newest first"), async ({ auth, as }) => {
    const all = await pages((page) => auth.listClients(page, as));
    return all.flatMap(({ clients }) => clients.map(rowOf));
  });

  for (const [name, disabled] of [
    ["disable", true],
    ["enable", false],
  ] as const) {
    const command = group
      .command(name)
      .description(`${name} a client`)
      .argument(...which);
    act(command, async ({ auth, as }, id = "") => {
      const wanted = { client: { id, disabled }, updateMask: { paths: ["disabled"] } };
      return [rowOf((await auth.updateClient(wanted, as)).client)];
    });
  }

  const regenerate = group.command("regenerate").description("give a client a new key, shown this once");
  regenerate
    .argument(...which)
    .option("--grace-hours <number>", "how long the old key still works, to 720", wholeNumber, 0);
  act(regenerate, async ({ auth, as }, clientId = "") => {
    const { graceHours } = regenerate.opts<{ graceHours: number }>();
    const gracePeriod = { seconds: BigInt(graceHours) * 3600n };
    const { client, apiKey } = await auth.regenerateClientKey({ clientId, gracePeriod }, as);
    return [{ ...rowOf(client), key: apiKey }];
  });

  const remove = group
    .command("delete")
    .description("delete a client, and cancel its jobs")
    .argument(...which);
  act(remove, async ({ auth, as }, clientId = "") => {
    await auth.deleteClient({ clientId }, as);
    return [{ id: clientId, deleted: true }];
  });
  return group;
}

function limitOption(): Option {
  const option = new Option("--limit <calls>", "calls it may make in a minute, 1 to 1000000");
  return option.argParser(wholeNumber).default(0, "the server's own limit");
}

/** A number with no more digits than any message can carry. */
function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("it must be a whole number of at most 9 digits");
  return Number(text);
}

function rowOf(client: ApiClient | undefined): Row {
  return {
    id: client?.id,
    name: client?.name,
    scopes: client?.scopes,
    // 0, the server's own limit, would look like no calls at all.
    per_minute: client?.limitPerMinute || "",
    disabled: client?.disabled,
    expires: timeOf(client?.expireTime),
    last_used: timeOf(client?.lastUseTime),
  };
}
