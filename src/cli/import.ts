import { resolve } from "node:path";
import { Command } from "commander";
import type { ImportOptions, ImportSystem, Report } from "../app/import-app.ts";
import { UserError } from "../user-error.ts";
import { printable, render } from "./operators/render.ts";

export interface ImportSettings {
  /** Where a relative path begins. */
  readonly directory: string;
  importFrom(system: ImportSystem, path: string, options: ImportOptions): AsyncIterable<Report>;
  /** Rejects where it cannot be written. */
  print(text: string): Promise<void>;
}

const descriptions: Readonly<Record<ImportSystem, string>> = {
  pocketbase: "the users in PocketBase's data.db",
  supabase: "the users in an export of auth.users, CSV or a JSON array",
  relay: "the clients in an export of the relay's table, CSV or a JSON array; their new keys are shown this once",
};

/** `darkroom import …`, straight on the store that the environment names. */
export function importCommands(settings: ImportSettings): Command {
  const group = new Command("import").description(
    "bring in what another system has, straight on the store; safe to repeat: docs/moving.md",
  );
  for (const [system, description] of Object.entries(descriptions) as [ImportSystem, string][]) {
    const command = group.command(system).description(description).argument("<file>", "the export, which is only read");
    command.option("--dry-run", "only tell what would be imported", false).option("--json", "print JSON, for scripts");
    if (system === "relay") {
      command.option("--scope <scope...>", "what all of them may do, instead of what the file says");
      // Scopes that stood before the file would take it for one of them.
      command.usage("<file> [options]");
    }
    command.action((file: string) => run(settings, system, file, command.opts()));
  }
  return group;
}

interface Options {
  readonly dryRun: boolean;
  readonly json?: true;
  readonly scope?: readonly string[];
}

async function run(
  { directory, importFrom, print }: ImportSettings,
  system: ImportSystem,
  file: string,
  { dryRun, json, scope: scopes }: Options,
): Promise<void> {
  const counts = { imported: 0, there: 0, left: 0, refused: 0 };
  for await (const report of importFrom(system, resolve(directory, file), { dryRun, scopes })) {
    counts[report.outcome] += 1;
    // Keys that nobody sees are not made.
    await print(json ? `${JSON.stringify(report)}\n` : lineOf(report)).catch(() => {
      throw new UserError(
        "the import stopped where its output could not be written; what was imported stays: repeat it",
      );
    });
  }
  if (!json) await print(render([counts], false) + (dryRun ? "Nothing was written.\n" : ""));
  if (counts.refused > 0) throw new UserError(`${counts.refused} refused: set them right and repeat, or leave them`);
}

/** Empty for what was imported unchanged. */
function lineOf(report: Report): string {
  const line = (text: string) => `${report.place}: ${printable(text)}\n`;
  switch (report.outcome) {
    case "refused":
    case "left":
      return line(`${report.outcome}: ${report.reason}`);
    case "imported": {
      const { id, name, key, notes } = report;
      const told = [
        ...(name === undefined ? [] : [`${name} is ${id}`]),
        ...notes,
        ...(key ? [`its key is ${key}`] : []),
      ];
      return told.length === 0 ? "" : line(told.join(", "));
    }
    case "there":
      return report.name === undefined ? "" : line(`${report.name} is there already, as ${report.id}`);
  }
}
