import { type EditName, vocabulary } from "./vocabulary.ts";

export interface Wish {
  readonly edit: EditName;
  /** 1 as the word alone asks; less for "slightly", more for "very". */
  readonly amount: number;
}

interface Reading {
  /** Whether any word or phrase of the vocabulary occurs, even if only to be declined ("no grain"). */
  readonly understood: boolean;
  /** In the order in which they are applied, each edit at most once. */
  readonly wishes: readonly Wish[];
}

/** Words, and the marks that end the reach of "not" and "very". Neither alternative can backtrack. */
const tokenPattern = /[\p{L}\p{M}\p{N}]+|[&,.;:!?\n]/gu;

/** Words that carry no meaning here, so that "rotate it to the left" reads as "rotate left". */
const fillers = new Set(
  (
    "a an the it its this that these my me i we you is are be look looks looking make makes making made please " +
    "picture pictures image images photo photos photograph more quite any of by to in into at way with on do " +
    "degree degrees 90 want like need add apply use give get have some effect"
  ).split(" "),
);
const negations = new Set("not no without dont doesnt never avoid less than nor neither cannot cant".split(" "));
const amountsByWord = new Map([
  ...spread("slightly little bit touch hint subtle subtly gently gentle mild mildly somewhat lightly", 0.5),
  ...spread("very much strongly strong really extremely super heavily heavy lot far", 1.6),
]);
/** Words that "not" and "very" reach across. Any other unknown word ends their reach. */
const carriers = new Set("too so or turn turned convert change".split(" "));

interface Mood {
  readonly negated: boolean;
  readonly amount: number;
}
const neutral: Mood = { negated: false, amount: 1 };

interface Phrase {
  readonly edit: EditName;
  readonly words: readonly string[];
}
const phrasesByFirstWord = indexPhrases();

/** Later words win: in "grainy film, but no grain" there is no grain. */
export function readPrompt(prompt: string): Reading {
  const words = wordsOf(prompt);
  const amounts = new Map<EditName, number>();
  let understood = false;
  let mood = neutral;
  for (let at = 0; at < words.length; ) {
    const phrase = phraseAt(words, at);
    if (phrase === undefined) {
      mood = moodAfter(words[at] ?? "", mood);
      at += 1;
      continue;
    }
    understood = true;
    if (mood.negated) amounts.delete(phrase.edit);
    else amounts.set(phrase.edit, mood.amount);
    at += phrase.words.length;
    // "Without grain or vignette" declines both; "no grain and more contrast" only the first.
    mood = words[at] === "or" ? { ...mood, amount: 1 } : neutral;
  }
  return { understood, wishes: inOrder(amounts) };
}

function inOrder(amounts: ReadonlyMap<EditName, number>): Wish[] {
  return vocabulary.flatMap(({ edit }) => {
    const amount = amounts.get(edit);
    return amount === undefined ? [] : [{ edit, amount }];
  });
}

function moodAfter(word: string, mood: Mood): Mood {
  if (negations.has(word)) return { ...mood, negated: true };
  const amount = amountsByWord.get(word);
  if (amount !== undefined) return { ...mood, amount };
  return carriers.has(word) ? mood : neutral;
}

function phraseAt(words: readonly string[], at: number): Phrase | undefined {
  const candidates = phrasesByFirstWord.get(words[at] ?? "") ?? [];
  return candidates.find((phrase) => phrase.words.every((word, offset) => words[at + offset] === word));
}

function wordsOf(text: string): string[] {
  const plain = text.normalize("NFKC").toLowerCase().replace(/['’]/g, "");
  return (plain.match(tokenPattern) ?? []).filter((word) => !fillers.has(word));
}

/** Longest first, so that "rotate left" is found before "rotate". */
function indexPhrases(): Map<string, Phrase[]> {
  const phrases = vocabulary.flatMap(({ edit, phrases }) => phrases.map((text) => ({ edit, words: wordsOf(text) })));
  phrases.sort((a, b) => b.words.length - a.words.length);
  return Map.groupBy(phrases, ({ words }) => words[0] ?? "");
}

function spread(words: string, amount: number): [string, number][] {
  return words.split(" ").map((word) => [word, amount]);
}
