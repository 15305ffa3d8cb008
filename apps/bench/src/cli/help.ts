/** What there is to type, and what there is to measure. */
import { BACKENDS } from "../frame/contender.js";
import { type Choice, chosenCases } from "../frame/run.js";
import type { Scenario } from "../frame/scenario.js";
import { table } from "../report/text.js";
import { DEFAULTS } from "./arguments.js";

export function help(scenarios: readonly Scenario[]): string {
  return `Measures Lease beside the raw operations (the limit) and beside what one would install instead, in one run.

usage: npm run bench                                    all of it, in under ten minutes
       npm run bench -- [options]                       a part of it
       npm run bench -- compare BEFORE.json AFTER.json  did a ratio fall? Then the exit code is 1

  --scenario NAME,…      ${scenarios.map(({ name }) => name).join(", ")}
  --backend NAME,…       ${BACKENDS.join(", ")}
  --concurrency N,…      callers (or waiters) at once, instead of the usual numbers
  --rounds N             of each case; default ${DEFAULTS.rounds}. Ratios are of one round, told as median (lowest–highest)
  --round-ms N           how long each contender works in a round; default ${DEFAULTS.roundMs}
  --pin 1|2              keep client and server on one core, or on one each (taskset, Linux)
  --no-peers             only ours and the raw operations
  --list                 what would be measured, and what is aimed at
  --tolerance PART       compare: how far a ratio may fall; default ${DEFAULTS.tolerance}
  -h, --help             this

A run writes results/<date>.json, .md and .html.`;
}

export function list(choice: Choice): string {
  return chosenCases(choice)
    .map(({ scenario, plans }) =>
      [
        `${scenario.name}: ${scenario.title}`,
        table(
          plans.map(({ id, title, targets }) => [id, title, targets.map(targetOf).join("; ")]),
          false,
        ),
      ].join("\n"),
    )
    .join("\n\n");
}

function targetOf(target: {
  metric: string;
  of: string;
  to?: string;
  atLeast?: number;
  atMost?: number;
}): string {
  const bound = target.atLeast === undefined ? `≤ ${target.atMost}` : `≥ ${target.atLeast}`;
  return `${target.metric} of ${target.of}${target.to === undefined ? "" : ` : ${target.to}`} ${bound}`;
}
