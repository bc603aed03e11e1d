import { Command } from "commander";
import type { SigningKey } from "../../client/index.ts";
import { actions, type OperatorSettings } from "./operator.ts";
import type { Row } from "./render.ts";
import { timeOf } from "./times.ts";

/** `darkroom keys …`: what access tokens are signed with. */
export function keyCommands(settings: OperatorSettings): Command {
  const act = actions(settings);
  const group = new Command("keys").description("manage the keys that sign access tokens");

  act(group.command("list").description("the keys that tokens are checked with"), async ({ auth, as }) =>
    (await auth.listSigningKeys({}, as)).keys.map(rowOf),
  );

  const rotate = group.command("rotate").description("make a new key, which signs in five minutes");
  rotate.option("--immediately", "sign with it at once and drop the others: for a key that leaked", false);
  act(rotate, async ({ auth, as }) => {
    const { key } = await auth.rotateSigningKey({ immediately: rotate.opts().immediately === true }, as);
    return [rowOf(key)];
  });
  return group;
}

function rowOf(key: SigningKey | undefined): Row {
  return {
    id: key?.id,
    algorithm: key?.algorithm,
    created: timeOf(key?.createTime),
    signs_from: timeOf(key?.activateTime),
    forgotten: timeOf(key?.expireTime),
  };
}
