/**
 * The janitor: sweeps what is past its time and prunes old history, now and then. Housekeeping only, so it may run in
 * every process at once or in none for a while.
 */
import type { LeaseBackend, SweepResult } from "./backend.js";
import { DEFAULT_SWEEP_LIMIT } from "./backend.js";
import { checkNumber } from "./check.js";
import { type CancelTimer, type Clock, systemClock } from "./clock.js";

/** What the janitor does unless told otherwise. */
export const JANITOR_DEFAULTS = Object.freeze({
  /** Between two rounds. */
  intervalMs: 30_000,
  /** A day of history is kept. */
  historyRetentionMs: 24 * 3_600_000,
  /** Each interval is shortened by up to this part, so that the janitors of many processes spread out. */
  jitter: 0.3,
});

export interface JanitorOptions {
  readonly backend: LeaseBackend;
  /** Milliseconds between two rounds. Default 30 000, shortened by chance by up to 30 %. */
  readonly intervalMs?: number;
  /** How long history is kept, in milliseconds. Default one day; `Infinity` keeps all. */
  readonly historyRetentionMs?: number;
  /** Told of every round that did something. */
  readonly onSweep?: (result: SweepResult) => void;
  /** Told of every round that failed; the next round comes all the same. */
  readonly onError?: (error: unknown) => void;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** A small service: start it, stop it. */
export interface Janitor {
  /** Begins with a round soon. Does nothing when it runs already. */
  start(): void;
  /** Ends after the round under way, if any. */
  stop(): Promise<void>;
  /** One round now. @throws what the backend throws */
  sweep(): Promise<SweepResult>;
}

/** Makes a janitor; it does nothing before `start()`, and alone keeps no process alive. */
export function createJanitor(options: JanitorOptions): Janitor {
  const { backend, onSweep, onError, clock = systemClock, random = Math.random } = options;
  const intervalMs = options.intervalMs ?? JANITOR_DEFAULTS.intervalMs;
  const historyRetentionMs = options.historyRetentionMs ?? JANITOR_DEFAULTS.historyRetentionMs;
  checkNumber(intervalMs, "intervalMs", 1);
  checkNumber(historyRetentionMs, "historyRetentionMs", 0);
  let cancelTimer: CancelTimer | null = null;
  let round: Promise<void> = Promise.resolve();

  async function sweep(): Promise<SweepResult> {
    const expired: SweepResult["expired"] = [];
    let pruned = 0;
    let last: SweepResult;
    do {
      const retention = historyRetentionMs === Number.POSITIVE_INFINITY ? undefined : historyRetentionMs;
      last = await backend.sweep({ historyRetentionMs: retention });
      expired.push(...last.expired);
      pruned += last.pruned;
    } while (last.expired.length >= DEFAULT_SWEEP_LIMIT);
    return { expired, pruned };
  }

  async function runRound(): Promise<void> {
    try {
      const result = await sweep();
      if (result.expired.length > 0 || result.pruned > 0) onSweep?.(result);
    } catch (error) {
      onError?.(error);
    }
  }

  function arm(delayMs: number): void {
    cancelTimer = clock.schedule(
      delayMs,
      () => {
        const armNext = () => {
          if (cancelTimer !== null) arm(intervalMs * (1 - random() * JANITOR_DEFAULTS.jitter));
        };
        // A listener that throws must not end the rounds.
        round = runRound().then(armNext, armNext);
      },
      { background: true },
    );
  }

  return {
    sweep,
    start() {
      if (cancelTimer === null) arm(intervalMs * random() * JANITOR_DEFAULTS.jitter);
    },
    async stop() {
      cancelTimer?.();
      cancelTimer = null;
      await round;
    },
  };
}
