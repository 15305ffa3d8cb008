/**
 * Holds two results against each other. Only what does not depend on the machine's speed is compared: ratios, and values
 * with a target.
 */
import type { Comparison, Results } from "./schema.js";

export interface Change {
  /** Case, metric, of what to what. */
  readonly what: string;
  readonly before: Comparison;
  readonly after: Comparison;
  /** How much better (above 0) or worse it became, as a part of what it was. */
  readonly change: number;
  readonly fell: boolean;
}

export interface ComparedResults {
  readonly changes: readonly Change[];
  /** What only one of them has. */
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
}

export function compareResults(before: Results, after: Results, tolerance: number): ComparedResults {
  const [earlier, later] = [byName(before), byName(after)];
  return {
    changes: [...earlier].flatMap(([what, comparison]) => {
      const now = later.get(what);
      return now === undefined ? [] : [changeOf(what, comparison, now, tolerance)];
    }),
    onlyBefore: [...earlier.keys()].filter((what) => !later.has(what)),
    onlyAfter: [...later.keys()].filter((what) => !earlier.has(what)),
  };
}

function byName({ scenarios }: Results): Map<string, Comparison> {
  return new Map(
    scenarios.flatMap(({ cases }) =>
      cases.flatMap(({ id, comparisons }) =>
        comparisons.map((each) => [`${id} ${each.metric} ${each.of}${each.to ? ` : ${each.to}` : ""}`, each]),
      ),
    ),
  );
}

/**
 * It fell when its median is worse by more than the tolerance, and neither run's rounds reach the other's median: a
 * difference within what rounds of one run differ by is none.
 */
function changeOf(what: string, before: Comparison, after: Comparison, tolerance: number): Change {
  const higher = before.better === "higher";
  const change = relativeChange(before.median, after.median) * (higher ? 1 : -1);
  const apart = higher
    ? after.high < before.median && before.low > after.median
    : after.low > before.median && before.high < after.median;
  return { what, before, after, change, fell: change < -tolerance && apart };
}

function relativeChange(before: number, after: number): number {
  if (before === after) return 0;
  // From nothing to something, such as the first overtaking.
  return before === 0 ? Math.sign(after) * Number.POSITIVE_INFINITY : after / before - 1;
}
