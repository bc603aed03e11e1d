export interface Options {
  /** Rounds that count; where anything warms up, one more is run before them and thrown away. */
  readonly rounds: number;
}

export interface Benchmark {
  readonly name: string;
  /** One sentence, for the list of benchmarks. */
  readonly measures: string;
  run(options: Options): Promise<Report>;
}

export interface Report {
  /** Heads the column of `measured`. */
  readonly measured: string;
  /** Heads the column of `reference`. */
  readonly reference: string;
  readonly rows: readonly Row[];
}

export interface Row {
  readonly what: string;
  readonly unit: string;
  /** One number a round. */
  readonly measured: readonly number[];
  /** Of the same rounds; undefined for what is compared with nothing. */
  readonly reference?: readonly number[];
}
