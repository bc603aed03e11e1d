/** A signal that aborts after `ms`. Node's own `AbortSignal.timeout` cannot be ended before, and keeps its timer until then. */
export function timeLimit(ms: number): { readonly signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ms);
  return { signal: controller.signal, end: () => clearTimeout(timer) };
}
