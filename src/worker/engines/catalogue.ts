import type { Model } from "../../model/models.ts";
import type { EngineSettings } from "../../model/settings.ts";
import type { Engine } from "../engine.ts";
import { isInstalled } from "./upscale-2x/packages.ts";

/** An engine of Darkroom's, described without loading it: servers list models, and leave pictures to workers. */
interface Entry {
  readonly model: Model;
  load(settings: EngineSettings): Promise<Engine>;
}

interface OptionalEntry extends Entry {
  /** Whether it can be used with these settings and what is installed. */
  isAvailable(settings: EngineSettings): boolean;
}

/** The default; always there. */
const studio: Entry = {
  model: {
    name: "studio",
    description:
      "Edits by the prompt's words, for example: black and white, sepia, warmer, cooler, brighter, darker, vivid, " +
      "muted, sharper, softer, vignette, grain, sketch, poster, mirror, rotate.",
  },
  load: async () => (await import("./studio/studio.ts")).studio,
};

const upscale2x: OptionalEntry = {
  model: {
    name: "upscale-2x",
    description:
      "Doubles the width and height of a picture of at most 12.5 megapixels by a neural network that adds detail. " +
      "The strength says how much of it, 0 is a plain enlargement; the prompt changes nothing.",
  },
  isAvailable: isInstalled,
  load: async () => (await import("./upscale-2x/upscale-2x.ts")).upscale2x,
};

const sdWebui: OptionalEntry = {
  model: {
    name: "sd-webui",
    description:
      "Paints the picture anew from the prompt by Stable Diffusion, on a server of the operator's; the result has " +
      "about one megapixel at most. A low strength stays close to the picture.",
  },
  isAvailable: (settings) => settings.sdWebui !== undefined,
  load: async ({ sdWebui: settings }) => {
    if (settings === undefined) throw new Error("sd-webui has no settings");
    return (await import("./sd-webui/sd-webui.ts")).createSdWebui(settings);
  },
};

const others: readonly OptionalEntry[] = [upscale2x, sdWebui];

/** What jobs may ask for; the first is the default. */
export function listModels(settings: EngineSettings): readonly [Model, ...Model[]] {
  return [studio.model, ...available(settings).map(({ model }) => model)];
}

/** Loads the available engines, by the names that jobs give in `model_type`. */
export async function loadEngines(settings: EngineSettings): Promise<ReadonlyMap<string, Engine>> {
  const entries = [studio, ...available(settings)];
  return new Map(
    await Promise.all(entries.map(async ({ model, load }) => [model.name, await load(settings)] as const)),
  );
}

function available(settings: EngineSettings): Entry[] {
  return others.filter((entry) => entry.isAvailable(settings));
}
