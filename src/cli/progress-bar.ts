const width = 30;

/**
 * One line that fills up; on what is no terminal, a line for each change of the label. By hand: the packages for it bring
 * timers and colours that a single bar does not need.
 */
export function progressBar(print: (text: string) => void, isTerminal: boolean) {
  let lastLabel = "";
  return {
    show(progress: number, label: string): void {
      const percent = `${Math.round(progress * 100)} %`.padStart(5);
      if (isTerminal) {
        const full = Math.round(progress * width);
        print(`\r[${"█".repeat(full)}${"░".repeat(width - full)}] ${percent} ${label.padEnd(10)}`);
      } else if (label !== lastLabel || progress > 0) {
        print(`${percent} ${label}\n`);
      }
      lastLabel = label;
    },
    end(): void {
      if (isTerminal) print("\n");
    },
  };
}
