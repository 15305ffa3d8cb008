/** Tables for the terminal. */
import { stripVTControlCharacters, styleText } from "node:util";
import type { CaseResult, Comparison, Results, ScenarioResult } from "../result/schema.js";
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

/** Columns as wide as they need be; all but the first flush right when they hold numbers. */
export function table(rows: readonly (readonly string[])[], right = true): string {
  const width = (text: string) => stripVTControlCharacters(text).length;
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => width(row[column] ?? ""))));
  const padded = (text: string, column: number) => {
    const space = " ".repeat((widths[column] as number) - width(text));
    return right && column > 0 ? space + text : text + space;
  };
  return rows.map((row) => `  ${row.map(padded).join("  ")}`.trimEnd()).join("\n");
}

export function caseText(scenario: Pick<ScenarioResult, "title">, result: CaseResult): string {
  const metrics = toldMetrics(result);
  const heading = styleText("bold", `${scenario.title} · ${result.backend} · ${result.title}`);
  const figures = table([
    ["", ...metrics.map(({ label }) => label)],
    ...result.entrants.map((entrant) => [entrant.name, ...metrics.map((metric) => cell(entrant, metric))]),
  ]);
  const ratios = result.comparisons.map((comparison) => [
    comparisonName(comparison),
    metricLabel(result, comparison.metric),
    spreadWords(comparison),
    targetWords(comparison),
    coloured(comparison),
  ]);
  return [heading, figures, ...(ratios.length > 0 ? [table(ratios, false)] : []), ""].join("\n");
}

/** The last word of a run: what was aimed at and what came of it. */
export function closingText(results: Results): string {
  const aimed = aimedAt(results);
  const rows = aimed.map(({ result, comparison }) => [
    result.id,
    `${metricLabel(result, comparison.metric)}, ${comparisonName(comparison)}`,
    spreadWords(comparison),
    targetWords(comparison),
    coloured(comparison),
  ]);
  return [
    ...circumstances(results).map((line) => styleText("dim", line)),
    ...(rows.length > 0 ? ["", styleText("bold", `Targets: ${score(results)}`), table(rows, false)] : []),
    ...untoldOf(results).map((words) => `  not measured: ${words}`),
  ].join("\n");
}

function coloured(comparison: Comparison): string {
  const words = verdict(comparison);
  return comparison.reached === null ? words : styleText(comparison.reached ? "green" : "red", words);
}
