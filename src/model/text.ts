const utf8 = new TextEncoder();

export function utf8Length(text: string): number {
  return utf8.encode(text).byteLength;
}

/**
 * The broken rule, or undefined. Bytes that are no UTF-8 reach us as U+FFFD or as lone surrogates, so both are refused:
 * what is stored is what the caller meant. `max` counts characters (code points), not UTF-16 units.
 */
export function textRule(text: string, limits: { min: number; max: number }): string | undefined {
  if (!text.isWellFormed() || text.includes("\uFFFD")) return "must be valid UTF-8";
  if (limits.min > 0 && text.trim() === "") return "must not be empty";
  // Code points are at most UTF-16 units, so most texts need not be counted exactly.
  const isSurelyWithin = text.length <= limits.max && limits.min <= 1;
  const length = isSurelyWithin ? text.length : [...text.slice(0, 2 * limits.max + 1)].length;
  if (length > limits.max) return `must have at most ${limits.max} characters`;
  if (length < limits.min) return `must have at least ${limits.min} characters`;
  return undefined;
}

export function rangeRule(value: number, min: number, max: number): string | undefined {
  // NaN fails both comparisons.
  return value >= min && value <= max ? undefined : `must be a number from ${min} to ${max}`;
}

export function integerRule(value: number, min: number, max: number): string | undefined {
  return Number.isInteger(value) && value >= min && value <= max
    ? undefined
    : `must be a whole number from ${min} to ${max}`;
}
