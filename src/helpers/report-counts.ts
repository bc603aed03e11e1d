/** Counts what happens by its name, and tells all counts together, `everyMs` after the first. */
export function reportCounts(everyMs: number, tell: (counts: Record<string, number>) => void): (name: string) => void {
  const counts = new Map<string, number>();
  function tellAll(): void {
    tell(Object.fromEntries(counts));
    counts.clear();
  }
  return (name) => {
    if (counts.size === 0) setTimeout(tellAll, everyMs).unref();
    counts.set(name, (counts.get(name) ?? 0) + 1);
  };
}
