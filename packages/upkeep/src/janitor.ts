/**
 * The janitor: sweeps what is past its time and prunes old history, now and then. Housekeeping only, so it may run in
 * every process at once or in none for a while.
 */
import { type Clock, type LeaseBackend, systemClock } from "@lease/core";
import { checkNumber, checkOptions, type SweepResult } from "@lease/core/backend";
import { createRounds, type Rounds, SERVICE_OPTIONS } from "./rounds.js";

/** What the janitor does by default. */
const JANITOR_DEFAULTS = Object.freeze({
  /** Between two rounds. */
  intervalMs: 30_000,
  /** A day of history is kept. */
  historyRetentionMs: 24 * 3_600_000,
});

/** What a janitor tidies, and how often. */
export interface JanitorOptions {
  readonly backend: LeaseBackend;
  /** Milliseconds between two rounds. Default 30 000, shortened by chance by up to 30 %. */
  readonly intervalMs?: number;
  /** How long history is kept, in milliseconds. Default one day; `Infinity` keeps all. */
  readonly historyRetentionMs?: number;
  /** Called after every round that did something. */
  readonly onSweep?: (result: SweepResult) => void;
  /** Called after every round that failed; the next round comes anyway. */
  readonly onError?: (error: unknown) => void;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** Sweeps and prunes now and then, see {@link createJanitor}. */
export interface Janitor extends Rounds {
  /** One round now. @throws what the backend throws */
  sweep(): Promise<SweepResult>;
}

/** Makes a janitor; it does nothing before `start()`, and alone keeps no process alive. */
export function createJanitor(options: JanitorOptions): Janitor {
  checkOptions(options, [...SERVICE_OPTIONS, "historyRetentionMs", "onSweep"]);
  const { backend, onSweep, onError, clock = systemClock, random = Math.random } = options;
  const intervalMs = options.intervalMs ?? JANITOR_DEFAULTS.intervalMs;
  const historyRetentionMs = options.historyRetentionMs ?? JANITOR_DEFAULTS.historyRetentionMs;
  checkNumber(intervalMs, "intervalMs", 1);
  checkNumber(historyRetentionMs, "historyRetentionMs", 0);
  async function sweep(): Promise<SweepResult> {
    const expired: SweepResult["expired"] = [];
    let pruned = 0;
    let last: SweepResult;
    do {
      const retention = historyRetentionMs === Number.POSITIVE_INFINITY ? undefined : historyRetentionMs;
      last = await backend.sweep({ historyRetentionMs: retention });
      expired.push(...last.expired);
      pruned += last.pruned;
      // At once: a store may write more in the time between two rounds than one step prunes.
    } while (last.more && last.expired.length + last.pruned > 0);
    return { expired, pruned, more: last.more };
  }

  async function run(): Promise<void> {
    const result = await sweep();
    // Awaited in case it is async: what it rejects with is this round's error.
    if (result.expired.length > 0 || result.pruned > 0) await onSweep?.(result);
  }

  return { sweep, ...createRounds({ intervalMs, run, onError, clock, random }) };
}
