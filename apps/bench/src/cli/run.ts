/** Runs what was chosen: progress and tables in the terminal, files in `results/`. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { styleText } from "node:util";
import { type Choice, chosenCases, type RunSettings, run } from "../frame/run.js";
import { html } from "../report/html.js";
import { markdown } from "../report/markdown.js";
import { caseText, closingText } from "../report/text.js";
import { UsageError } from "./arguments.js";
import { ProgressLine } from "./progress.js";

const FOLDER = "results";

export async function runAndReport({
  choice,
  settings,
}: {
  readonly choice: Choice;
  readonly settings: RunSettings;
}): Promise<void> {
  const total = chosenCases(choice).reduce((sum, { plans }) => sum + plans.length, 0);
  if (total === 0) {
    throw new UsageError("These scenarios are not measured on these backends; --list tells what there is");
  }
  const line = new ProgressLine(total);
  const results = await run(choice, settings, {
    onProgress: (...progress) => line.show(...progress),
    onCase(scenario, result) {
      line.caseDone();
      console.log(caseText(scenario, result));
    },
  });
  line.clear();
  console.log(closingText(results));
  const name = join(FOLDER, results.startedAt.replaceAll(":", "-").replace(/\.\d+Z$/, ""));
  await mkdir(FOLDER, { recursive: true });
  await writeFile(`${name}.json`, `${JSON.stringify(results, null, 1)}\n`);
  await writeFile(`${name}.md`, `${markdown(results)}\n`);
  await writeFile(`${name}.html`, html(results));
  console.log(styleText("dim", `\nwritten: ${name}.json, .md and .html`));
}
