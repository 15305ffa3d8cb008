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

/** A failure is looked for in smaller plans for so long: in real time the test's own limit would soon hide it. */
const SHRINK_MS = 10_000;

/**
 * Registers one test that runs many random plans. A failure prints the smallest plan found in ten
 * seconds that shows it, and its seed.
 */
export function modelTest(options: ModelTestOptions): void {
  const { test, factory, runs = 200, maxActions = 60, seed, path } = options;
  test("model: whatever is asked, in whatever order, the answers are those of the specification", async () => {
    const probe = await factory();
    await probe.close();
    let shrinkUntil = Number.POSITIVE_INFINITY;
    await fc.assert(
      fc.asyncProperty(planArbitrary(maxActions, probe.clock !== undefined), async (plan) => {
        if (performance.now() > shrinkUntil) return;
        try {
          await runPlan(plan, factory);
        } catch (error) {
          shrinkUntil = Math.min(shrinkUntil, performance.now() + SHRINK_MS);
          throw error;
        }
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
