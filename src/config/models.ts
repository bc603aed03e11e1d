import { isQueueName, modelNameRule, ownQueueName, resultQueueName } from "../model/models.ts";
import { ConfigError } from "./error.ts";
import type { Reader } from "./reader.ts";

const variable = "DARKROOM_MODELS";
const modelsMax = 100;

/** The queues of other workers by the names of their models: `{"MODEL": "QUEUE", …}`. Results come by another. */
export function readModels(read: Reader, resultQueue = resultQueueName): ReadonlyMap<string, string> {
  const entries = Object.entries(parse(read.text(variable) ?? "{}"));
  if (entries.length > modelsMax) throw new ConfigError(variable, `must name at most ${modelsMax} models`);
  const taken = [ownQueueName, resultQueueName, resultQueue.toLowerCase()];
  return new Map(entries.map(([name, queue]) => [name, checked(name, queue, taken)]));
}

function parse(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {}
  throw new ConfigError(variable, 'must be JSON such as {"MODEL": "QUEUE"}');
}

function checked(name: string, queue: unknown, taken: readonly string[]): string {
  const broken = modelNameRule(name);
  if (broken !== undefined) throw new ConfigError(variable, `the name ${JSON.stringify(name)} ${broken}`);
  if (typeof queue !== "string" || !isQueueName(queue))
    throw new ConfigError(variable, `${name}'s queue must be 1 to 260 letters, digits, '.', '-', '_' and '/'`);
  if (taken.includes(queue.toLowerCase()))
    throw new ConfigError(variable, `${name}'s queue must be another than ${queue}, which is Darkroom's own`);
  return queue;
}
