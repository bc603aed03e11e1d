/** Something a job can name in `model_type`. */
export interface Model {
  readonly name: string;
  readonly description: string;
}

/** Where Darkroom's own workers take their jobs. */
export const ownQueueName = "darkroom-jobs";
export const resultQueueName = "darkroom-results";

/** Which models there are, and to which queue each one's jobs go. */
export interface ModelRoutes {
  /** The models of Darkroom's own workers; the first is one that all of them have. */
  readonly own: readonly Model[];
  /** The queues of other workers, by the names of their models. */
  readonly named: ReadonlyMap<string, string>;
  /** The queue for all other models; undefined where there is none. */
  readonly rest: string | undefined;
  /** The model of a job that names none. */
  readonly defaultModel: string;
}

const namePattern = /^[\x21-\x7e]([\x20-\x7e]{0,62}[\x21-\x7e])?$/;
/** Service Bus's rule for queue names. */
const queueNamePattern = /^(?=.{1,260}$)[a-z\d]([\w./-]*[a-z\d_])?$/i;

/** The queue for a model's jobs; undefined for an unknown model. */
export function queueNameOf({ own, named, rest }: ModelRoutes, model: string): string | undefined {
  return own.some(({ name }) => name === model) ? ownQueueName : (named.get(model) ?? rest);
}

/** All queues that jobs go to, each once. */
export function queueNames({ named, rest }: ModelRoutes): string[] {
  return [...new Set([ownQueueName, ...named.values(), ...(rest === undefined ? [] : [rest])])];
}

/** The models that are known by name; the default first. */
export function listedModels({ own, named, defaultModel }: ModelRoutes): Model[] {
  const known = [...own, ...[...named.keys()].map(fromOutside)];
  const first = known.find(({ name }) => name === defaultModel) ?? fromOutside(defaultModel);
  return [first, ...known.filter(({ name }) => name !== defaultModel)];
}

function fromOutside(name: string): Model {
  return { name, description: "Developed by a worker that the operator runs beside Darkroom's own." };
}

export function modelNameRule(name: string): string | undefined {
  return namePattern.test(name) ? undefined : "must be 1 to 64 printable ASCII characters without blanks around them";
}

export function isQueueName(name: string): boolean {
  return queueNamePattern.test(name);
}

/** The broken rule when a job may not ask for the model. */
export function modelRule(name: string, routes: ModelRoutes): string | undefined {
  if (queueNameOf(routes, name) !== undefined) return modelNameRule(name);
  const names = listedModels(routes).map((model) => model.name);
  return `must be one of: ${names.join(", ")}`;
}
