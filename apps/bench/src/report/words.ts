/** How numbers and comparisons are told, in the terminal and in the reports alike. */
import { spreadOf } from "../frame/stats.js";
import type { CaseResult, Comparison, EntrantResult, Results } from "../result/schema.js";

const NOT_MEASURED = "–";

function number(value: number, digits = 0): string {
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Three figures, however large or small. */
export function figure(value: number): string {
  if (value === 0) return "0";
  const digits = Math.max(0, Math.min(4, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return number(value, digits);
}

/** `1.23 × (1.18–1.30)` */
export function spreadWords({ median, low, high, to }: Comparison): string {
  return `${figure(median)}${to === null ? "" : " ×"} (${figure(low)}–${figure(high)})`;
}

/** `lease : redlock 4`, or of a value that is no ratio just whose it is. */
export function comparisonName({ of, to }: Comparison): string {
  if (to === null) return of;
  return `${of} : ${to === "peers" ? "the best peer" : to}`;
}

export function metricLabel({ metrics }: CaseResult, metric: string): string {
  return metrics.find(({ key }) => key === metric)?.label ?? metric;
}

/** `at least 1.1` */
export function targetWords({ target }: Comparison): string {
  if (target === null) return "";
  const { atLeast, atMost, stretch } = target;
  const bound = atLeast !== undefined ? `at least ${figure(atLeast)}` : `at most ${figure(atMost ?? 0)}`;
  return stretch === undefined ? bound : `${bound}, stretch ${figure(stretch)}`;
}

/** `reached`, `missed by 12 %` */
export function verdict({ target, reached, median }: Comparison): string {
  if (target === null) return "";
  const { atLeast, atMost, stretch } = target;
  if (reached) {
    const stretched =
      stretch !== undefined && (atLeast !== undefined ? median >= stretch : median <= stretch);
    return stretched ? "reached, stretch too" : "reached";
  }
  if (atMost === 0) return `missed by ${figure(median)}`;
  const bound = (atLeast ?? atMost) as number;
  return `missed by ${figure(Math.abs(median / bound - 1) * 100)} %`;
}

/** The median over the rounds, as the metric wants it told. */
export function cell({ samples }: EntrantResult, { key, digits }: CaseResult["metrics"][number]): string {
  const values = samples.flatMap((sample) => sample[key] ?? []);
  return values.length === 0 ? NOT_MEASURED : number(spreadOf(values).median, digits);
}

/** Of a case those metrics that anybody was measured in. */
export function toldMetrics({ metrics, entrants }: CaseResult): CaseResult["metrics"] {
  return metrics.filter(({ key }) =>
    entrants.some(({ samples }) => samples.some((sample) => sample[key] !== undefined)),
  );
}

/** In which circumstances: machine, servers, rounds, versions. */
export function circumstances({ machine, servers, settings, packages, startedAt, tookS }: Results): string[] {
  const { cpu, cores, memoryGiB, os, node } = machine;
  return [
    `${cores} × ${cpu}, ${memoryGiB} GiB, ${os}`,
    [`Node ${node}`, ...servers].join(", "),
    `${startedAt}, ${number(tookS)} s; ${settings.rounds} ${settings.rounds === 1 ? "round" : "rounds"} of ${settings.roundMs} ms`,
    Object.entries(packages)
      .map(([name, told]) => (told.startsWith(`${name} `) ? told : `${name} = ${told}`))
      .join(", "),
  ];
}

/** All that is aimed at, with the case that it is of. */
export function aimedAt({ scenarios }: Results): { result: CaseResult; comparison: Comparison }[] {
  return scenarios.flatMap(({ cases }) =>
    cases.flatMap((result) =>
      result.comparisons
        .filter(({ target }) => target !== null)
        .map((comparison) => ({ result, comparison })),
    ),
  );
}

/** `6 of 14 reached`, and what could not be told. */
export function score(results: Results): string {
  const aimed = aimedAt(results);
  const reached = aimed.filter(({ comparison }) => comparison.reached).length;
  const untold = untoldOf(results).length;
  return `${reached} of ${aimed.length} reached${untold === 0 ? "" : `, ${untold} not measured`}`;
}

/** What is aimed at and was not measured, with its case. */
export function untoldOf({ scenarios }: Results): string[] {
  return scenarios.flatMap(({ cases }) =>
    cases.flatMap(({ id, untold }) => untold.map((words) => `${id}: ${words}`)),
  );
}
