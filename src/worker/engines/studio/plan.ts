import { EngineError, type Task } from "../../engine.ts";
import { amountMax, type Edit, editNamed, type Turn, turnNamed } from "./edits.ts";
import { readPrompt, type Wish } from "./prompt.ts";
import { describeVocabulary } from "./vocabulary.ts";

/** What a task asks for, in the order in which it is done. */
export interface Plan {
  readonly turns: readonly Turn[];
  readonly edits: readonly { readonly edit: Edit; readonly amount: number }[];
  /** Amount of grain, which alone differs between the pictures of a task; 0 is none. */
  readonly grain: number;
  /** 0 to 1. */
  readonly strength: number;
}

const normalGuidance = 7.5;
const guidanceMax = 30;

export function planOf({ prompt, promptGuidance, strength }: Task): Plan {
  const { understood, wishes } = readPrompt(prompt);
  if (!understood) throw notUnderstood();
  const guidance = guidanceFactor(promptGuidance);
  const asked = guidance === 0 ? [] : wishes.map((wish) => scaled(wish, guidance));
  const tonal = strength > 0 ? asked : [];
  return {
    turns: asked.flatMap(({ edit }) => turnNamed(edit) ?? []),
    edits: tonal.flatMap(({ edit: name, amount }) => {
      const edit = editNamed(name);
      return edit === undefined ? [] : [{ edit, amount }];
    }),
    grain: tonal.find(({ edit }) => edit === "grain")?.amount ?? 0,
    strength: Math.min(1, strength),
  };
}

/** 0 at 0, 1 at the normal guidance, 2 at the most. */
function guidanceFactor(guidance: number): number {
  const within = Math.max(0, Math.min(guidanceMax, guidance));
  if (within <= normalGuidance) return within / normalGuidance;
  return 1 + (within - normalGuidance) / (guidanceMax - normalGuidance);
}

function scaled({ edit, amount }: Wish, guidance: number): Wish {
  return { edit, amount: Math.min(amountMax, amount * guidance) };
}

function notUnderstood(): EngineError {
  const message =
    "No word of the prompt names an edit that this model can make. It understands: " +
    `${describeVocabulary()} Put "slightly", "very" or "no" before a word to make less, more or none of it.`;
  return new EngineError("PROMPT_NOT_UNDERSTOOD", message);
}
