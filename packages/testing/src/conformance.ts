/**
 * The suite that holds a backend to the contract. It needs nothing of a test runner but a function that registers a
 * named test, so it runs under vitest, jest and node:test alike.
 *
 * There is one suite and no option that turns a case off: what a backend cannot do it declares in its `limits`, and the
 * suite then asserts that it does not.
 */
import type { BackendLimits } from "@lease/core/backend";
import { CheckFailed } from "./assert.js";
import { acquireCases } from "./conformance/acquire.js";
import { badInputCases } from "./conformance/bad-input.js";
import { changesCases } from "./conformance/changes.js";
import { closeCases } from "./conformance/close.js";
import { CaseContext, type Cases, type ConformanceCase } from "./conformance/context.js";
import { limitCases } from "./conformance/limits.js";
import { listCases } from "./conformance/list.js";
import { listAndFollowCases } from "./conformance/list-and-follow.js";
import { queueCases } from "./conformance/queue.js";
import { releaseCases } from "./conformance/release.js";
import { renewCases } from "./conformance/renew.js";
import { resourceCases } from "./conformance/resources.js";
import { revokeCases } from "./conformance/revoke.js";
import { ruleCases } from "./conformance/rule.js";
import { seedFaultCases } from "./conformance/seed-faults.js";
import { sweepCases } from "./conformance/sweep.js";
import { timeCases } from "./conformance/time-cases.js";
import { tokenCases } from "./conformance/tokens.js";
import { traceCases } from "./conformance/traces.js";
import { turnCases } from "./conformance/turn.js";
import type { StoreFactory } from "./store.js";

const THEMES: Readonly<Record<string, Cases>> = Object.freeze({
  acquire: acquireCases,
  rule: ruleCases,
  queue: queueCases,
  turn: turnCases,
  renew: renewCases,
  release: releaseCases,
  revoke: revokeCases,
  tokens: tokenCases,
  list: listCases,
  changes: changesCases,
  "list and follow": listAndFollowCases,
  sweep: sweepCases,
  time: timeCases,
  limits: limitCases,
  resources: resourceCases,
  "bad input": badInputCases,
  close: closeCases,
  "seed fault": seedFaultCases,
  trace: traceCases,
});

/** Every case of the suite, in order: `"<theme>: <what is held>"`. */
export const conformanceCases: readonly ConformanceCase[] = Object.freeze(
  Object.entries(THEMES).flatMap(([theme, cases]) =>
    Object.entries(cases).map(([name, run]) => ({ name: `${theme}: ${name}`, run })),
  ),
);

/** How to run the suite on a backend. */
export interface ConformanceOptions {
  /** Registers a test: `test` of vitest, jest or node:test. Called with functions that take no argument. */
  readonly test: (name: string, run: () => Promise<void>) => unknown;
  /** Makes an empty namespace; called once for every case. */
  readonly factory: StoreFactory;
  /** What the backend is expected to declare, as far as the author wants it held. */
  readonly limits?: Partial<BackendLimits>;
  /**
   * When a case counts as hanging. Default 30 000 ms. Runners have bounds of their own (5 s in jest and vitest):
   * raise those to more than this.
   */
  readonly caseTimeoutMs?: number;
}

/** Registers one test for every case. */
export function conformance(options: ConformanceOptions): void {
  const { test, factory, caseTimeoutMs = 30_000 } = options;
  for (const { name, run } of conformanceCases) {
    test(name, () => runCase(factory, run, caseTimeoutMs));
  }
  if (options.limits !== undefined) {
    const expected = options.limits;
    test("limits: are those that the author expects", () =>
      runCase(factory, async (context) => context.expectLimits(expected), caseTimeoutMs));
  }
}

async function runCase(
  factory: StoreFactory,
  run: (context: CaseContext) => Promise<void>,
  timeoutMs: number,
): Promise<void> {
  const context = await CaseContext.of(await factory());
  try {
    await within(timeoutMs, async () => {
      await run(context);
      await context.finish();
    });
  } finally {
    await within(timeoutMs, () => context.close());
  }
}

/** A case that hangs says so itself, whatever the runner's own bound is. */
async function within(timeoutMs: number, run: () => Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new CheckFailed(`The case hangs: not over after ${timeoutMs} ms`, "an end", "none")),
      timeoutMs,
    );
  });
  try {
    await Promise.race([run(), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
