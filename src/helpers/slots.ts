/**
 * Slots that callers hold for a while: at most `each` for one caller and `all` together. One caller holds no more than are
 * left for the others, so that a few cannot hold them all. The returned function takes one for a caller; it returns the
 * function that gives the slot back, or undefined when none is left.
 */
export function createSlots({ each, all }: { readonly each: number; readonly all: number }) {
  const taken = new Map<string, number>();
  let together = 0;
  return (whose: string): (() => void) | undefined => {
    const count = taken.get(whose) ?? 0;
    if (count >= Math.min(each, all - together)) return undefined;
    taken.set(whose, count + 1);
    together += 1;
    return () => {
      const left = (taken.get(whose) ?? 0) - 1;
      together -= 1;
      if (left > 0) taken.set(whose, left);
      else taken.delete(whose);
    };
  };
}
