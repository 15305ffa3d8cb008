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

/** @returns 0; 1 when a case could not be measured; 130 when it was interrupted */
export async function runAndReport({
  choice,
  settings,
}: {
  readonly choice: Choice;
  readonly settings: RunSettings;
}): Promise<number> {
  const total = chosenCases(choice).reduce((sum, { plans }) => sum + plans.length, 0);
  if (total === 0) {
    throw new UsageError("These scenarios are not measured on these backends; --list tells what there is");
  }
  const line = new ProgressLine(total);
  const interrupted = new AbortController();
  // What runs is let end, so that servers and files go; a second Ctrl-C ends it at once.
  process.once("SIGINT", () => interrupted.abort());
  let failures = 0;
  const running = run(choice, settings, {
    signal: interrupted.signal,
    onProgress: (...progress) => line.show(...progress),
    onCase(scenario, result) {
      line.caseDone();
      console.log(caseText(scenario, result));
    },
    onFailure({ id }, error) {
      failures += 1;
      line.caseDone();
      console.error(styleText("red", `${id} could not be measured:`), error);
    },
  });
  const results = await running.catch((error: unknown) => {
    if (interrupted.signal.aborted) return null;
    throw error;
  });
  line.clear();
  if (results === null) return 130;
  console.log(closingText(results));
  const name = join(FOLDER, results.startedAt.replaceAll(":", "-").replace(/\.\d+Z$/, ""));
  await mkdir(FOLDER, { recursive: true });
  await writeFile(`${name}.json`, `${JSON.stringify(results, null, 1)}\n`);
  await writeFile(`${name}.md`, `${markdown(results)}\n`);
  await writeFile(`${name}.html`, html(results));
  console.log(styleText("dim", `\nwritten: ${name}.json, .md and .html`));
  return failures === 0 ? 0 : 1;
}
