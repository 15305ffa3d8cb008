/** Every scenario once, tiny: so that none stops working unseen. What is measured in it means nothing. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contendersOn } from "../src/contenders/index.ts";
import { measure } from "../src/frame/runner.ts";
import type { CasePlan, Context } from "../src/frame/scenario.ts";
import { Stores } from "../src/frame/stores.ts";
import { comparisonsOf } from "../src/result/comparisons.ts";
import { SCENARIOS } from "../src/scenarios/index.ts";

const stores = new Stores();
const context: Context = { stores, roundMs: 20, peers: true, scale: 0.002 };

beforeAll(async () => {
  await Promise.all([stores.get("redis"), stores.get("etcd")]);
});
afterAll(() => stores.close());

/** The smallest case of each scenario on each backend, and those that only one of them has. */
const plans = SCENARIOS.flatMap((scenario) => {
  const small = scenario.plan([2]);
  const ids = new Set(small.map(({ id }) => id));
  return [...small, ...scenario.plan(null).filter(({ id }) => !ids.has(id) && id.endsWith("/full"))];
});

describe("each scenario", () => {
  test.each(plans.map((plan) => [plan.id, plan] as const))(
    "%s",
    { timeout: 60_000 },
    async (_, plan: CasePlan) => {
      const measured = await measure({ ...plan, warmUp: false }, context, 1);
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

test("every contender is named once, and every backend has ours and something beside it", () => {
  const backends = ["memory", "sqlite", "redis", "etcd"] as const;
  for (const backend of backends) {
    const contenders = contendersOn(backend, true);
    expect(new Set(contenders.map(({ name }) => name)).size).toBe(contenders.length);
    expect(contenders.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["ours", "peer"]));
    expect(contendersOn(backend, false).map(({ kind }) => kind)).not.toContain("peer");
  }
});
