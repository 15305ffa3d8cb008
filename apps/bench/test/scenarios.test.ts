/** Every scenario once, tiny: so that none stops working unseen. What is measured in it means nothing. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { measure } from "../src/frame/runner.ts";
import type { CasePlan, Context } from "../src/frame/scenario.ts";
import { Stores } from "../src/frame/stores.ts";
import { comparisonsOf } from "../src/result/comparisons.ts";
import { SCENARIOS } from "../src/scenarios/index.ts";

const stores = new Stores();

beforeAll(async () => {
  await Promise.all([stores.get("redis"), stores.get("postgres"), stores.get("etcd")]);
});
afterAll(() => stores.close());

/** The smallest case of each scenario on each backend, and the one that has no number of callers. */
const plans = SCENARIOS.flatMap((scenario) => {
  const small = scenario.plan([2]).filter(({ id }) => !id.endsWith("x1"));
  return [...small, ...scenario.plan(null).filter(({ id }) => id.endsWith("/full"))];
});

/** How those who poll take turns has a test of its own: here each would take seconds. */
const contextOf = ({ id }: CasePlan): Context => {
  return { stores, roundMs: 20, peers: !/^(line|hand-off)/.test(id), scale: 0.002 };
};

describe("each scenario", () => {
  test.each(plans.map((plan) => [plan.id, plan] as const))(
    "%s",
    { timeout: 240_000 },
    async (_, plan: CasePlan) => {
      const measured = await measure({ ...plan, warmUp: false }, contextOf(plan), 1);
      expect(measured.length).toBeGreaterThan(0);
      const [main] = plan.metrics;
      for (const { name, samples } of measured) {
        expect(samples, name).toHaveLength(1);
        expect(
          Object.values(samples[0] ?? {}).every((value) => typeof value === "number"),
          name,
        ).toBe(true);
        expect(samples[0], name).toHaveProperty(main?.key ?? "");
      }
      const told = comparisonsOf(plan, measured).map(({ of }) => of);
      expect(plan.targets.every(({ of }) => measured.some(({ name }) => name === of))).toBe(true);
      expect(plan.targets.length === 0 || told.length > 0).toBe(true);
    },
  );
});
