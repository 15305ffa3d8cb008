/**
 * Work done now and then in the background: what the janitor and the monitor have in common.
 */
import type { Clock } from "@lease/core";

/** A small service: start it, stop it. */
export interface Rounds {
  /** Begins with a round soon. Does nothing when it runs already. Alone it keeps no process alive. */
  start(): void;
  /** Ends after the round under way, if any. */
  stop(): Promise<void>;
}

export interface RoundsOptions {
  /** Between two rounds, in milliseconds. */
  readonly intervalMs: number;
  /** One round. */
  readonly run: () => Promise<unknown>;
  /** Called after every round that failed; the next one comes anyway. */
  readonly onError?: ((error: unknown) => void) | undefined;
  readonly clock: Clock;
  readonly random: () => number;
}

/** The options that every service knows. */
export const SERVICE_OPTIONS = ["backend", "intervalMs", "onError", "clock", "random"] as const;

/** Each interval is shortened by chance by up to this part, so that the rounds of many processes spread out. */
const JITTER = 0.3;

export function createRounds({ intervalMs, run, onError, clock, random }: RoundsOptions): Rounds {
  /** From a start to its stop: rounds of one that was stopped arm nothing for the next one. */
  let running: { cancelTimer: () => void } | null = null;
  let round: Promise<void> = Promise.resolve();

  function arm(started: { cancelTimer: () => void }, delayMs: number): void {
    const begin = () => {
      const armNext = () => {
        if (running === started) arm(started, intervalMs * (1 - random() * JITTER));
      };
      // After the one before, which may still be under way if it was stopped and started again. A listener that throws
      // must not end the rounds.
      round = round
        .then(run)
        .catch((error: unknown) => onError?.(error))
        .then(armNext, armNext);
    };
    started.cancelTimer = clock.schedule(delayMs, begin, { background: true });
  }

  return {
    start() {
      if (running !== null) return;
      running = { cancelTimer: () => {} };
      arm(running, intervalMs * random() * JITTER);
    },
    async stop() {
      running?.cancelTimer();
      running = null;
      await round;
    },
  };
}
