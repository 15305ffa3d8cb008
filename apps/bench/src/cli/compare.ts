/** `compare BEFORE.json AFTER.json`: a table of all ratios, and whether one fell. */
import { readFile } from "node:fs/promises";
import { styleText } from "node:util";
import { table } from "../report/text.js";
import { spreadWords } from "../report/words.js";
import { type Change, compareResults } from "../result/compare.js";
import { parseResults, type Results } from "../result/schema.js";
import { UsageError } from "./arguments.js";

export interface CompareCommand {
  readonly before: string;
  readonly after: string;
  readonly tolerance: number;
}

/** @returns 1 when a ratio fell, else 0 */
export async function compareFiles({ before, after, tolerance }: CompareCommand): Promise<number> {
  const { changes, onlyBefore, onlyAfter } = compareResults(await read(before), await read(after), tolerance);
  if (changes.length === 0) throw new UsageError("The two files have no ratio in common");
  console.log(
    table([["", "before", "after", "change"].map((word) => styleText("bold", word)), ...changes.map(row)]),
  );
  for (const what of onlyBefore) console.log(styleText("dim", `only before: ${what}`));
  for (const what of onlyAfter) console.log(styleText("dim", `only after: ${what}`));
  const fallen = changes.filter(({ fell }) => fell).length;
  console.log(
    fallen === 0
      ? `\nNone of ${changes.length} fell by more than ${tolerance * 100} %.`
      : `\n${fallen} of ${changes.length} fell by more than ${tolerance * 100} %, beyond the spread of their rounds.`,
  );
  return fallen === 0 ? 0 : 1;
}

async function read(path: string): Promise<Results> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new UsageError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  try {
    return parseResults(text, path);
  } catch (error) {
    throw new UsageError((error as Error).message.replace(/\.$/, ""));
  }
}

function row({ what, before, after, change, fell }: Change): string[] {
  const words = `${change > 0 ? "+" : ""}${Math.round(change * 100)} %`;
  return [what, spreadWords(before), spreadWords(after), fell ? styleText("red", `${words} fell`) : words];
}
