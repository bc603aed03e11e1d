import type { Model } from "../../model/models.ts";
import type { Engine } from "../engine.ts";

/** An engine that Darkroom has, told of without loading it: servers list models, and leave pictures to workers. */
interface Entry {
  readonly model: Model;
  load(): Promise<Engine>;
}

const catalogue: readonly [Entry, ...Entry[]] = [
  {
    model: {
      name: "studio",
      description:
        "Edits by the prompt's words, for example: black and white, sepia, warmer, cooler, brighter, darker, vivid, " +
        "muted, sharper, softer, vignette, grain, sketch, poster, mirror, rotate.",
    },
    load: async () => (await import("./studio/studio.ts")).studio,
  },
];

/** What jobs may ask for; the first is the default. */
export function listModels(): readonly [Model, ...Model[]] {
  const [first, ...others] = catalogue;
  return [first.model, ...others.map(({ model }) => model)];
}

export function loadEngines(): Promise<Engine[]> {
  return Promise.all(catalogue.map((entry) => entry.load()));
}
