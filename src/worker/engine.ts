/** One picture to develop, as the job's message and the picture store gave it. */
export interface Task {
  /** JPEG, PNG or WebP, at most 50 megapixels; its header was checked, its pixels were not. */
  readonly picture: Uint8Array;
  readonly prompt: string;
  /** 0 to 30. */
  readonly promptGuidance: number;
  /** 0 (the original) to 1. */
  readonly strength: number;
  /** Unsigned 32 bits. */
  readonly seed: number;
  /** 1 to 4. */
  readonly imageCount: number;
}

export interface Engine {
  /**
   * Develops the task's pictures, in order, each an encoded JPEG, PNG or WebP of at most 20 MiB.
   * `report` takes the progress, 0 to 1, as often as the engine likes. Stops soon after `signal` aborts, by throwing
   * its reason. Throws {@link EngineError} for what the caller should be told; anything else is a fault that may pass.
   */
  develop(task: Task, report: (progress: number) => void, signal: AbortSignal): Promise<Uint8Array[]>;
}

/** The job fails with this reason and message, which its owner reads. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly reason: string;
  /** Whether another attempt may do better. */
  readonly retryable: boolean;

  constructor(reason: string, message: string, options: { retryable?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.reason = reason;
    this.retryable = options.retryable ?? false;
  }
}
