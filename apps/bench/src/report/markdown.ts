/** The tables for docs: what `docs/performance.md` shows is this, from a real run. */
import type { CaseResult, Results } from "../result/schema.js";
import {
  aimedAt,
  cell,
  circumstances,
  comparisonName,
  metricLabel,
  score,
  spreadWords,
  targetWords,
  toldMetrics,
  untoldOf,
  verdict,
} from "./words.js";

export function markdown(results: Results): string {
  const aimed = aimedAt(results);
  return [
    circumstances(results)
      .map((line) => `- ${line}`)
      .join("\n"),
    ...(aimed.length === 0
      ? []
      : [
          `### Targets: ${score(results)}`,
          table([
            ["case", "", "", "median (lowest–highest)", "target", ""],
            ...aimed.map(({ result, comparison }) => [result.id, ...comparisonRow(result, comparison)]),
          ]),
        ]),
    ...untoldOf(results).map((words) => `Not measured: ${words}`),
    ...results.scenarios.flatMap(({ title, about, cases }) => [
      `### ${title}`,
      about,
      ...cases.flatMap(caseMarkdown),
    ]),
  ].join("\n\n");
}

function caseMarkdown(result: CaseResult): string[] {
  const metrics = toldMetrics(result);
  const ratios = result.comparisons.map((comparison) => comparisonRow(result, comparison));
  return [
    `#### ${result.backend}, ${result.title}`,
    table([
      ["", ...metrics.map(({ label }) => label)],
      ...result.entrants.map((entrant) => [entrant.name, ...metrics.map((metric) => cell(entrant, metric))]),
    ]),
    ...(ratios.length === 0 ? [] : [table([["", "", "median (lowest–highest)", "target", ""], ...ratios])]),
  ];
}

function comparisonRow(result: CaseResult, comparison: CaseResult["comparisons"][number]): string[] {
  return [
    comparisonName(comparison),
    metricLabel(result, comparison.metric),
    spreadWords(comparison),
    targetWords(comparison),
    verdict(comparison),
  ];
}

function table([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
