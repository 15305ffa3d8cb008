/**
 * The model test: random sequences of operations by three clients, on a backend beside `MemoryStore`, which is the
 * contract as a program. Every answer must be the same but for what a backend may choose (the numbers of tokens,
 * absolute times, cursors), and after every step what is live must keep the rule by itself.
 */
import fc from "fast-check";
import { type Plan, planArbitrary } from "./model/plan.js";
import { ModelRun } from "./model/run.js";
import type { StoreFactory } from "./store.js";

/** How to run the model test on a backend. */
export interface ModelTestOptions {
  /** Registers a test: `test` of vitest, jest or node:test. */
  readonly test: (name: string, run: () => Promise<void>) => unknown;
  /** Makes an empty namespace; called once for every run. On its simulated clock expiry is compared to the millisecond. */
  readonly factory: StoreFactory;
  /** Random plans to run. Default 200. */
  readonly runs?: number;
  /** Most actions in a plan. Default 60. */
  readonly maxActions?: number;
  /** As printed by a failure, to run the same plans again. Default: new ones every time. */
  readonly seed?: number;
  /** As printed by a failure: where in the plans of `seed` the shrunken one is. */
  readonly path?: string;
}

/** Registers one test that runs many random plans. A failure prints the smallest plan that shows it, and its seed. */
export function modelTest(options: ModelTestOptions): void {
  const { test, factory, runs = 200, maxActions = 60, seed, path } = options;
  test("model: whatever is asked, in whatever order, the answers are those of the specification", async () => {
    const probe = await factory();
    await probe.close();
    await fc.assert(
      fc.asyncProperty(planArbitrary(maxActions, probe.clock !== undefined), async (plan) => {
        await runPlan(plan, factory);
      }),
      {
        numRuns: runs,
        ...(seed === undefined ? {} : { seed }),
        ...(path === undefined ? {} : { path }),
      },
    );
  });
}

/** Runs one plan, such as a failure printed. */
export async function runPlan(plan: Plan, factory: StoreFactory): Promise<void> {
  await ModelRun.run(plan, await factory());
}
