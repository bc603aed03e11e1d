/** Something a job can name in `model_type`. */
export interface Model {
  readonly name: string;
  readonly description: string;
}
