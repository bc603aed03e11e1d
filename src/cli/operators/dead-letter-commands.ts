import { Command, Option } from "commander";
import { type DeadLetter, DeadLetterSource as Source } from "../../client/index.ts";
import { UserError } from "../../user-error.ts";
import { actions, type Operator, type OperatorSettings } from "./operator.ts";
import { pages } from "./pages.ts";
import type { Row } from "./render.ts";
import { timeOf } from "./times.ts";

/** As many as one call takes. */
const discardMax = 1000;

const sources: Readonly<Record<string, Source>> = { job: Source.JOB, result: Source.RESULT };

/** `darkroom dead-letters …`: jobs that failed or expired, and results that could not be used. */
export function deadLetterCommands(settings: OperatorSettings): Command {
  const act = actions(settings);
  const group = new Command("dead-letters").description("see what was given up, send it again, or discard it");

  const list = group.command("list").description("jobs, the newest first, then results").addOption(sourceOption());
  act(list, async (operator) => {
    const letters = await lettersOf(operator, sourceOf(list));
    return letters.map((letter) =>
      list.opts().json === true ? { ...rowOf(letter), body: bodyOf(letter) } : rowOf(letter),
    );
  });

  const redrive = group.command("redrive").description("send one again, or all").argument("[id]", "as list shows it");
  redrive.option("--all", "all there are", false).addOption(sourceOption());
  act(redrive, async (operator, id) => {
    if ((id !== undefined) === redrive.opts().all) throw new UserError("redrive: give the id of one, or --all");
    if (id !== undefined && redrive.opts().source !== undefined) throw new UserError("redrive: --source needs --all");
    return [id === undefined ? await redriveAll(operator, sourceOf(redrive)) : await redriveOne(operator, id)];
  });

  const discard = group
    .command("discard")
    .description("delete a result, or all of them, for good; jobs go by themselves");
  discard.argument("[id]", "as list shows it").option("--all", "all results there are", false);
  act(discard, async (operator, id) => {
    if ((id !== undefined) === discard.opts().all) throw new UserError("discard: give the id of one, or --all");
    if (id !== undefined && !isResult(id))
      throw new UserError("discard: only results are discarded; a job goes when its time is up");
    const ids = id === undefined ? (await lettersOf(operator, Source.RESULT)).map((letter) => letter.id) : [id];
    return [await discardThose(operator, ids)];
  });
  return group;
}

function sourceOption(): Option {
  return new Option("--source <source>", "only from there").choices(Object.keys(sources));
}

function sourceOf(command: Command): Source {
  return sources[command.opts().source] ?? Source.UNSPECIFIED;
}

async function lettersOf({ jobs, as }: Operator, source: Source): Promise<DeadLetter[]> {
  const all = await pages((page) => jobs.listDeadLetters({ ...page, source }, as));
  return all.flatMap(({ deadLetters }) => deadLetters);
}

/** Results are numbered, jobs are not. */
function isResult(id: string): boolean {
  return /^\d+$/.test(id);
}

async function redriveOne({ jobs, as }: Operator, id: string): Promise<Row> {
  const source = isResult(id) ? Source.RESULT : Source.JOB;
  await jobs.redrive({ what: { case: "one", value: { source, id } } }, as);
  return { id, redriven: true };
}

async function redriveAll({ jobs, as }: Operator, source: Source): Promise<Row> {
  const answers = await pages(({ pageToken }) =>
    jobs.redrive({ what: { case: "all", value: { source, pageToken } } }, as),
  );
  const sum = (field: "redriven" | "skipped") => answers.reduce((total, answer) => total + answer[field], 0);
  return { redriven: sum("redriven"), skipped: sum("skipped") };
}

async function discardThose({ jobs, as }: Operator, ids: readonly string[]): Promise<Row> {
  let discarded = 0;
  for (let from = 0; from < ids.length; from += discardMax)
    discarded += (await jobs.discardDeadLetters({ ids: ids.slice(from, from + discardMax) }, as)).discarded;
  return { discarded, skipped: ids.length - discarded };
}

function rowOf({ source, id, reason, description, time, ownerId }: DeadLetter): Row {
  return {
    source: source === Source.JOB ? "job" : "result",
    id,
    reason,
    description,
    given_up: timeOf(time),
    owner: ownerId,
  };
}

function bodyOf({ body }: DeadLetter): string {
  return new TextDecoder().decode(body);
}
