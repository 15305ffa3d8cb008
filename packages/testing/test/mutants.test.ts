import { type LeaseBackend, memoryBackend } from "@lease/core";
import { presentEnd } from "@lease/core/backend";
import { describe, expect, test } from "vitest";
import { conformance, modelTest, type SimulatedClock, sharedStore, simulatedClock } from "../src/index.js";
import { MUTANTS, mutantBackend } from "./mutants.js";

describe("the suite finds a store that", () => {
  for (const mutant of MUTANTS) {
    test(mutant.name, async () => {
      expect(await firstFailure(conformance, await mutantBackend(mutant))).not.toBeNull();
    });
  }
});

test("the suite finds a store that looks up its place in the history a moment after the leases", async () => {
  const failure = await firstFailure(conformance, ({ clock }) => {
    const backend = memoryBackend({ clock });
    return {
      ...backend,
      async list(query) {
        const page = await backend.list(query);
        if (query.after !== undefined) return page;
        // The moment, in which the others of the case write.
        for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
        const cursor = await presentEnd(backend);
        return { ...page, cursor, next: page.next?.replace(page.cursor, cursor) ?? null };
      },
    };
  });
  expect(failure?.message).toMatch(/the picture of who/);
});

describe("the model test finds a store that", () => {
  for (const mutant of MUTANTS) {
    test(mutant.name, async () => {
      const failure = await firstFailure(sameModelTest, await mutantBackend(mutant));
      // Whoever sees it can run it again.
      expect(failure?.message).toMatch(/seed: -?\d+, path: "[\d:]+"/);
    });
  }
});

/** The same plans every time, and enough of them for the rarest fault. */
const sameModelTest: Suite = (options) => modelTest({ ...options, runs: 1000, seed: 1 });

type Suite = (options: {
  test: (name: string, run: () => Promise<void>) => unknown;
  factory: () => Promise<ReturnType<typeof sharedStore>>;
}) => void;

/** Runs a suite as a test runner would, up to the first test that fails. */
async function firstFailure(
  suite: Suite,
  open: (options: { clock: SimulatedClock }) => LeaseBackend,
): Promise<Error | null> {
  const tests: (() => Promise<void>)[] = [];
  suite({
    test: (_, run) => tests.push(run),
    factory: async () => {
      const clock = simulatedClock();
      return sharedStore(open({ clock }), clock);
    },
  });
  for (const run of tests) {
    const failure = await run().then(
      () => null,
      (error: Error) => error,
    );
    if (failure !== null) return failure;
  }
  return null;
}
