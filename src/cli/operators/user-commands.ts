import { randomBytes } from "node:crypto";
import { Command } from "commander";
import { type Account, Role } from "../../client/index.ts";
import { UserError } from "../../user-error.ts";
import { actions, type OperatorSettings } from "./operator.ts";
import { pages } from "./pages.ts";
import type { Row } from "./render.ts";
import { timeOf } from "./times.ts";

const roles: Readonly<Record<string, Role>> = { user: Role.USER, admin: Role.ADMIN };

/** `darkroom user …`: accounts. An id is what `list` shows. */
export function userCommands(settings: OperatorSettings): Command {
  const act = actions(settings);
  const group = new Command("user").description("keep accounts");

  const list = group
    .command("list")
    .description("accounts, by what their name or address begins with")
    .argument("[query]");
  act(list, async ({ auth, as }, query = "") =>
    (
      await pages(
        (page) => auth.listUsers({ ...page, query }, as),
        ({ users }) => users,
      )
    ).map(rowOf),
  );

  const create = group.command("create").description("make an account; its password is shown this once");
  create.argument("<username>").option("--email <address>", "", "").option("--role <role>", "user or admin", "user");
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
    const command = group.command(name).description(`${name} an account`).argument("<id>");
    act(command, async ({ auth, as }, userId = "") => [
      rowOf((await auth.setUserDisabled({ userId, disabled }, as)).user),
    ]);
  }

  const unlock = group.command("unlock").description("lift what failed logins have put on an account");
  act(unlock.argument("<id>"), async ({ auth, as }, userId = "") => {
    await auth.unlockUser({ userId }, as);
    return [{ id: userId, unlocked: true }];
  });

  const setRole = group.command("role").description("make somebody an administrator, or no longer one");
  act(setRole.argument("<id>").argument("<role>", "user or admin"), async ({ auth, as }, userId = "", role = "") => [
    rowOf((await auth.setUserRole({ userId, role: roleOf(role) }, as)).user),
  ]);

  const reset = group.command("reset").description("make a token that sets a new password, to hand to the owner");
  act(reset.argument("<id>"), async ({ auth, as }, userId = "") => {
    const { token, expireTime } = await auth.issueUserToken({ userId }, as);
    return [{ id: userId, token, expires: timeOf(expireTime) }];
  });

  const remove = group.command("delete").description("delete an account, with its jobs and pictures");
  act(remove.argument("<id>"), async ({ auth, as }, userId = "") => {
    await auth.deleteUser({ userId }, as);
    return [{ id: userId, deleted: true }];
  });
  return group;
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
