import { randomBytes } from "node:crypto";
import { Command, Option } from "commander";
import { type Account, Role } from "../../client/index.ts";
import { UserError } from "../../user-error.ts";
import { actions, type Operator, type OperatorSettings } from "./operator.ts";
import { pages } from "./pages.ts";
import type { Row } from "./render.ts";
import { timeOf } from "./times.ts";

const roles: Readonly<Record<string, Role>> = { user: Role.USER, admin: Role.ADMIN };

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** `darkroom user …`: accounts. */
export function userCommands(settings: OperatorSettings): Command {
  const act = actions(settings);
  const who = ["<user>", "the id, username or email address"] as const;
  const actOn = (command: Command, work: (operator: Operator, userId: string, role: string) => Promise<Row[]>) =>
    act(command, async (operator, user = "", role = "") => work(operator, await idOf(operator, user), role));
  const group = new Command("user").description("manage accounts");

  const list = group
    .command("list")
    .description("accounts, by name or address")
    .argument("[query]", "what the username or, with an @, the email address begins with; all without");
  act(list, async ({ auth, as }, query = "") => {
    const all = await pages((page) => auth.listUsers({ ...page, query }, as));
    return all.flatMap(({ users }) => users.map(rowOf));
  });

  const create = group.command("create").description("make an account; its password is shown this once");
  create
    .argument("<username>", "3 to 64 letters, digits, '.', '_' and '-'")
    .addOption(new Option("--email <address>", "where letters for it go").default("", "none"))
    .option("--role <role>", "user or admin", "user");
  act(create, async ({ auth, as }, username = "") => {
    const { email, role } = create.opts<{ email: string; role: string }>();
    const password = randomBytes(18).toString("base64url");
    const { user } = await auth.createUser({ username, email, password, role: roleOf(role) }, as);
    return [{ ...rowOf(user), password }];
  });

  for (const [name, disabled] of [
    ["disable", true],
    ["enable", false],
  ] as const) {
    const command = group
      .command(name)
      .description(`${name} an account`)
      .argument(...who);
    actOn(command, async ({ auth, as }, userId) => [
      rowOf((await auth.setUserDisabled({ userId, disabled }, as)).user),
    ]);
  }

  const unlock = group.command("unlock").description("lift what failed logins have put on an account");
  actOn(unlock.argument(...who), async ({ auth, as }, userId) => {
    await auth.unlockUser({ userId }, as);
    return [{ id: userId, unlocked: true }];
  });

  const setRole = group.command("role").description("make somebody an administrator, or no longer one");
  actOn(setRole.argument(...who).argument("<role>", "user or admin"), async ({ auth, as }, userId, role) => [
    rowOf((await auth.setUserRole({ userId, role: roleOf(role) }, as)).user),
  ]);

  const reset = group.command("reset").description("make a token that sets a new password, to hand to the owner");
  actOn(reset.argument(...who), async ({ auth, as }, userId) => {
    const { token, expireTime } = await auth.issueUserToken({ userId }, as);
    return [{ id: userId, token, expires: timeOf(expireTime) }];
  });

  const remove = group.command("delete").description("delete an account, with its jobs and pictures");
  actOn(remove.argument(...who), async ({ auth, as }, userId) => {
    await auth.deleteUser({ userId }, as);
    return [{ id: userId, deleted: true }];
  });
  return group;
}

/** A text that looks like an id is taken for one, even if somebody has it as their username. */
async function idOf({ auth, as }: Operator, wanted: string): Promise<string> {
  if (uuid.test(wanted)) return wanted;
  // Users come sorted by name: the whole name stands before those that begin with it.
  const { users } = await auth.listUsers({ query: wanted, pageSize: 1 }, as);
  const [first] = users;
  const name = wanted.includes("@") ? first?.email : first?.username;
  if (first === undefined || name?.toLowerCase() !== wanted.toLowerCase())
    throw new UserError("there is no such user: give an id, a username or an address that `user list` shows");
  return first.id;
}

function roleOf(name: string): Role {
  const role = Object.hasOwn(roles, name) ? roles[name] : undefined;
  if (role === undefined) throw new UserError(`the role must be ${Object.keys(roles).join(" or ")}`);
  return role;
}

function rowOf(user: Account | undefined): Row {
  return {
    id: user?.id,
    username: user?.username,
    email: user?.email,
    role: user?.role === Role.ADMIN ? "admin" : "user",
    disabled: user?.disabled,
    created: timeOf(user?.createTime),
  };
}
