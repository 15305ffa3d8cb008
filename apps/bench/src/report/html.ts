/** The report as one page that needs nothing else, neither files nor scripts nor a network, in light and in dark. */
import type { CaseResult, Comparison, Results, ScenarioResult } from "../result/schema.js";
import { chart, DARK, LIGHT } from "./chart.js";
import { STYLE } from "./style.js";
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

export function html(results: Results): string {
  const title = "Lease benchmarks";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${title}</h1>
<p class="circumstances">${circumstances(results).map(escaped).join("<br>")}</p>
<p>Every ratio is that of one round, in which all contenders took part; told are the median of the rounds and, in
brackets, the lowest and the highest. In the charts the dot is the median, the line through it reaches from the lowest
to the highest round, the upright mark is the target.</p>
${targets(results)}
<nav>${results.scenarios.map(({ name, title }) => `<a href="#${name}">${escaped(title)}</a>`).join(" · ")}</nav>
${results.scenarios.map(section).join("\n")}
</main>
</body>
</html>
`;
}

function targets(results: Results): string {
  const aimed = aimedAt(results);
  if (aimed.length + untoldOf(results).length === 0) return "";
  const untold = untoldOf(results).map((words) => `<p>Not measured: ${escaped(words)}</p>`);
  return `<h2>Targets: ${score(results)}</h2>
${comparisonTable(aimed.map(({ result, comparison }) => [result, comparison, true] as const))}
${untold.join("\n")}`;
}

function section({ name, title, about, cases }: ScenarioResult): string {
  return `<section id="${name}">
<h2>${escaped(title)}</h2>
<p>${escaped(about)}</p>
${cases.map(caseHtml).join("\n")}
</section>`;
}

function caseHtml(result: CaseResult): string {
  const metrics = toldMetrics(result);
  const head = ["", ...metrics.map(({ label }) => label)];
  const rows = result.entrants.map((entrant) => [
    entrant.name,
    ...metrics.map((metric) => cell(entrant, metric)),
  ]);
  return `<article>
<h3 id="${escaped(result.id)}">${escaped(result.backend)} · ${escaped(result.title)}</h3>
<div class="wide"><table class="figures">
<thead><tr>${head.map((text) => `<th>${escaped(text)}</th>`).join("")}</tr></thead>
<tbody>
${rows
  .map(
    ([name = "", ...figures], row) =>
      `<tr class="${result.entrants[row]?.kind}"><th>${escaped(name)}</th>${figures.map((text) => `<td>${text}</td>`).join("")}</tr>`,
  )
  .join("\n")}
</tbody></table></div>
${result.comparisons.length === 0 ? "" : comparisonTable(result.comparisons.map((each) => [result, each, false] as const))}
${charts(result)}
</article>`;
}

function comparisonTable(
  rows: readonly (readonly [result: CaseResult, comparison: Comparison, withCase: boolean])[],
): string {
  const lines = rows.map(([result, comparison, withCase]) => {
    const cells = [
      ...(withCase ? [`<a href="#${escaped(result.id)}">${escaped(result.id)}</a>`] : []),
      escaped(comparisonName(comparison)),
      escaped(metricLabel(result, comparison.metric)),
      spreadWords(comparison),
      targetWords(comparison),
      verdictHtml(comparison),
    ];
    return `<tr>${cells.map((text) => `<td>${text}</td>`).join("")}</tr>`;
  });
  return `<div class="wide"><table class="comparisons"><tbody>
${lines.join("\n")}
</tbody></table></div>`;
}

function verdictHtml(comparison: Comparison): string {
  const { reached } = comparison;
  if (reached === null) return "";
  const [kind, mark] = reached ? ["reached", "✓"] : ["missed", "✗"];
  return `<span class="${kind}">${mark} ${verdict(comparison)}</span>`;
}

/** One for those where more is better, one for those where less is. */
function charts({ comparisons }: CaseResult): string {
  return (["higher", "lower"] as const)
    .map((better) => comparisons.filter((each) => each.to !== null && each.better === better))
    .filter((ratios) => ratios.length > 0)
    .map(
      (ratios) =>
        `<div class="wide light">${chart(ratios, LIGHT)}</div><div class="wide dark">${chart(ratios, DARK)}</div>`,
    )
    .join("\n");
}

function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  return text.replace(/[&<>"]/g, (character) => entities[character] as string);
}
