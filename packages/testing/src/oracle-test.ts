/**
 * The oracle test: several clients at once on a backend, behind a network that loses, delays and doubles their messages.
 * Every answer is judged by the rule alone, with no other store to compare with.
 */
import type { LeaseBackend } from "@lease/core";
import { checkAllowed } from "./oracle/check-allowed.js";
import { traffic } from "./oracle/traffic.js";
import type { ConformanceStore, StoreFactory } from "./store.js";

/** How to run the oracle test on a backend. */
export interface OracleTestOptions {
  /** Registers a test: `test` of vitest, jest or node:test. */
  readonly test: (name: string, run: () => Promise<void>) => unknown;
  /** Makes an empty namespace; called once for every run. */
  readonly factory: StoreFactory;
  /** How many runs, each with a seed of its own. Default 20 on a simulated clock, otherwise 1. */
  readonly runs?: number;
  /** For how long each run goes on, on the clock of the store. Default 5000 ms. */
  readonly runMs?: number;
  /** How many clients there are at once. Default 6. */
  readonly clients?: number;
  /** The share of messages that are lost, late or doubled. Default 0.15. */
  readonly faults?: number;
  /** As printed by a failure. On a simulated clock it repeats the run. Default: a new one every time. */
  readonly seed?: number;
}

/** Registers one test. A failure prints its seed, and each answer that cannot be. */
export function oracleTest(options: OracleTestOptions): void {
  const { test, factory, seed = Math.floor(Math.random() * 2 ** 31) } = options;
  test("oracle: whatever overlaps, every answer is one that the rule allows", async () => {
    let runs = 1;
    for (let index = 0; index < runs; index += 1) {
      const store = await factory();
      runs = options.runs ?? (store.clock === undefined ? 1 : 20);
      await run(store, seed + index, options);
    }
  });
}

async function run(store: ConformanceStore, seed: number, options: OracleTestOptions): Promise<void> {
  const { runMs = 5_000, clients = 6, faults = 0.15 } = options;
  const backends: LeaseBackend[] = [];
  try {
    for (let index = 0; index < clients; index += 1) backends.push(await store.open());
    const { calls } = await traffic({ seed, backends, runMs, faults, clock: store.clock });
    checkAllowed(calls, (backends[0] as LeaseBackend).limits, `seed ${seed}`);
  } finally {
    for (const backend of backends) await backend.close();
    await store.close();
  }
}
