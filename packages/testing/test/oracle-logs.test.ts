/** What the oracle allows, and how little of it it cannot judge. */
import { memoryBackend } from "@lease/core";
import { expect, test } from "vitest";
import { judge, oracleTest, sharedStore, simulatedClock } from "../src/index.js";
import { traffic } from "../src/oracle/traffic.js";

oracleTest({
  test,
  factory: async () => {
    const clock = simulatedClock();
    return sharedStore(memoryBackend({ clock }), clock);
  },
});

test("of the answers of a right store under one in a hundred cannot be judged", async () => {
  let judged = 0;
  let unjudged = 0;
  for (let seed = 1; seed <= 40; seed += 1) {
    const clock = simulatedClock();
    const backend = memoryBackend({ clock });
    const faults = seed % 3 === 0 ? 0.4 : 0.1;
    const log = await traffic({ seed, clock, faults, runMs: 24_000, backends: Array(5).fill(backend) });
    const verdict = judge(log.calls, backend.limits);
    expect(verdict.violations, `seed ${seed}`).toEqual([]);
    judged += verdict.judged;
    unjudged += verdict.unjudged;
  }
  expect(judged).toBeGreaterThan(5_000);
  expect(unjudged / judged).toBeLessThan(0.01);
});
