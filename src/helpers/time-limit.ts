/** A signal that aborts after `ms`. Node's own `AbortSignal.timeout` cannot be ended before, and keeps its timer until then. */
export function timeLimit(ms: number): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ms);
  return { signal: controller.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}
