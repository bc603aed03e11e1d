/** A record of a file, as the file has it. */
export interface Row {
  /** Where it stands, for people: `line 12`. */
  readonly place: string;
  readonly values: Values;
}

/** By column. */
export type Values = Readonly<Record<string, unknown>>;
