import { describe, expect, test } from "vitest";
import { comparisonsOf } from "../src/result/comparisons.ts";
import { measured, plan } from "./results.ts";

const entrants = [
  measured("lease", "ours", [100, 120, 90], 1),
  measured("raw ioredis", "raw", [100, 100, 100]),
  measured("redlock", "peer", [50, 100, 30]),
  measured("mutex", "peer", [80, 60, 60]),
];

describe("the comparisons of a case", () => {
  test("are ratios of one round each: their median, not the ratio of medians", () => {
    const [first] = comparisonsOf(
      plan({ targets: [{ metric: "rate", of: "lease", to: "redlock", atLeast: 2 }] }),
      entrants,
    );
    expect(first).toMatchObject({
      of: "lease",
      to: "redlock",
      rounds: [2, 1.2, 3],
      median: 2,
      low: 1.2,
      high: 3,
    });
  });

  test("hold ours against each of the others, without a target", () => {
    const comparisons = comparisonsOf(plan(), entrants);
    expect(comparisons.map(({ to, target, reached }) => [to, target, reached])).toEqual([
      ["raw ioredis", null, null],
      ["redlock", null, null],
      ["mutex", null, null],
    ]);
  });

  test("name the only one of a kind, and do not tell it twice", () => {
    const targets = [{ metric: "rate", of: "lease", to: "raw", atLeast: 0.9 }] as const;
    const comparisons = comparisonsOf(plan({ targets }), entrants);
    expect(comparisons.filter(({ to }) => to === "raw ioredis")).toHaveLength(1);
    expect(comparisons[0]).toMatchObject({ to: "raw ioredis", reached: true, target: { atLeast: 0.9 } });
  });

  test("to all peers are to the best one of each round", () => {
    const targets = [{ metric: "rate", of: "lease", to: "peers", atLeast: 1.3 }] as const;
    const [best] = comparisonsOf(plan({ targets }), entrants);
    expect(best).toMatchObject({
      to: "peers",
      rounds: [100 / 80, 120 / 100, 90 / 60],
      median: 1.25,
      reached: false,
    });
  });

  test("may be of a value alone, where less is better", () => {
    const [commands] = comparisonsOf(
      plan({ targets: [{ metric: "commands", of: "lease", atMost: 2 }] }),
      entrants,
    );
    expect(commands).toMatchObject({ to: null, better: "lower", median: 1, reached: true });
  });

  test("are left out where one was not measured", () => {
    const targets = [
      { metric: "rate", of: "nobody", to: "raw", atLeast: 1 },
      { metric: "serverUs", of: "lease", atMost: 1 },
    ] as const;
    expect(comparisonsOf(plan({ targets }), entrants.slice(0, 2)).map(({ of }) => of)).toEqual(["lease"]);
  });
});
