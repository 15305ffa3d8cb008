/** The gate's share of the campaign: 60 s of seeds that were not tried before. `npm run torture` goes on for longer. */
import { expect, test } from "vitest";
import { campaign } from "../src/campaign.js";
import { KINDS } from "../src/kinds.js";
import { reportOf } from "../src/report.js";

const SHARE_MS = 60_000;
/** Enough for each kind of event to happen, on a machine of whatever speed. */
const LEAST_SEEDS = 60;

test("the manager keeps its promises in simulated time", { timeout: 600_000 }, async () => {
  const seed = Math.floor(Math.random() * 1_000_000_000);
  const done = await campaign({ seed, forMs: SHARE_MS, atLeast: LEAST_SEEDS });
  const report = reportOf(done);
  console.log(report);
  expect(done.failed, report).toBeNull();
  for (const kind of KINDS) expect(done.counts.get(kind) ?? 0, kind).toBeGreaterThan(0);
  expect(done.unjudged).toBeLessThan(done.judged / 100);
});

test("a seed is the same run each time", async () => {
  const [first, second] = [await campaign({ seed: 7, seeds: 3 }), await campaign({ seed: 7, seeds: 3 })];
  expect(second).toEqual({ ...first, ms: second.ms });
});
