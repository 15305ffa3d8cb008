/**
 * Work done now and then in the background: what the janitor and the monitor have in common.
 */
import type { CancelTimer, Clock } from "../clock.js";

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
  /** Told of every round that failed; the next one comes all the same. */
  readonly onError?: ((error: unknown) => void) | undefined;
  readonly clock: Clock;
  readonly random: () => number;
}

/** Each interval is shortened by chance by up to this part, so that the rounds of many processes spread out. */
const JITTER = 0.3;

export function createRounds({ intervalMs, run, onError, clock, random }: RoundsOptions): Rounds {
  let cancelTimer: CancelTimer | null = null;
  let round: Promise<void> = Promise.resolve();

  function arm(delayMs: number): void {
    const begin = () => {
      const armNext = () => {
        if (cancelTimer !== null) arm(intervalMs * (1 - random() * JITTER));
      };
      // A listener that throws must not end the rounds.
      round = run()
        .catch((error: unknown) => onError?.(error))
        .then(armNext, armNext);
    };
    cancelTimer = clock.schedule(delayMs, begin, { background: true });
  }

  return {
    start() {
      if (cancelTimer === null) arm(intervalMs * random() * JITTER);
    },
    async stop() {
      cancelTimer?.();
      cancelTimer = null;
      await round;
    },
  };
}
