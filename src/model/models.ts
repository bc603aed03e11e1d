/** Something a job can name in `model_type`. */
export interface Model {
  readonly name: string;
  readonly description: string;
}

/** The models that Darkroom's own workers have; the first is the default. */
export const ownModels: readonly [Model, ...Model[]] = [
  {
    name: "studio",
    description:
      "Edits by the prompt's words, for example: black and white, sepia, warmer, cooler, brighter, darker, vivid, " +
      "muted, sharper, softer, vignette, grain, sketch, poster, mirror, rotate.",
  },
];
