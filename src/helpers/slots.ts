interface Slots {
  /** Returns how to give it back; undefined when there is none left. */
  take(whose: string): (() => void) | undefined;
}

/** What callers hold for a while, so much each and so much together. */
export function createSlots({ each, all }: { readonly each: number; readonly all: number }): Slots {
  const taken = new Map<string, number>();
  let together = 0;
  return {
    take(whose) {
      const count = taken.get(whose) ?? 0;
      if (count >= each || together >= all) return undefined;
      taken.set(whose, count + 1);
      together += 1;
      return () => {
        const left = (taken.get(whose) ?? 0) - 1;
        together -= 1;
        if (left > 0) taken.set(whose, left);
        else taken.delete(whose);
      };
    },
  };
}
