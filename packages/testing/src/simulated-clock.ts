/**
 * Time that a test moves by hand. Backends, managers and add-ons that take core's `Clock` run whole scenarios of hours
 * in milliseconds on it, and always in the same order.
 */
import { setImmediate } from "node:timers";
import type { Clock } from "@lease/core";

/** A {@link Clock} that stands still until it is told to move. */
export interface SimulatedClock extends Clock {
  /**
   * Lets `ms` pass: runs every timer that falls due at its own moment, in order, and lets promises settle before the
   * next one. Calls that overlap run one after the other.
   */
  advance(ms: number): Promise<void>;
  /** The machine sleeps: the wall clock and the boot clock go on, the monotonic clock and all timers stand still. */
  suspend(ms: number): void;
  /** Somebody sets the wall clock: forward or, with a negative number, back. */
  stepWall(ms: number): void;
  /** How many timers wait: a test that ends with some has leaked them. */
  readonly timers: number;
}

/** Where a simulated clock begins. */
export interface SimulatedClockOptions {
  /** Where the monotonic clock begins. Default 1,000,000 ms, so that code which takes 0 for "never" shows. */
  readonly now?: number;
  /** Where the wall clock begins. Default 2026-01-01T00:00:00Z. */
  readonly wallNow?: number;
  /** Whether it has a clock that counts sleep and that nobody sets, in steps of 10 ms as on Linux. Default `true`. */
  readonly bootClock?: boolean;
}

interface Timer {
  readonly due: number;
  readonly order: number;
  readonly run: () => void;
}

/** Makes a clock that only its owner moves. */
export function simulatedClock(options: SimulatedClockOptions = {}): SimulatedClock {
  const timers = new Set<Timer>();
  let now = options.now ?? 1_000_000;
  let wallAhead = (options.wallNow ?? Date.UTC(2026, 0, 1)) - now;
  let slept = 0;
  let created = 0;
  let moving: Promise<void> = Promise.resolve();

  const nextDue = (until: number): Timer | undefined =>
    [...timers].filter((timer) => timer.due <= until).sort((a, b) => a.due - b.due || a.order - b.order)[0];

  async function move(ms: number): Promise<void> {
    await settled();
    const until = now + ms;
    for (let timer = nextDue(until); timer !== undefined; timer = nextDue(until)) {
      now = Math.max(now, timer.due);
      timers.delete(timer);
      timer.run();
      await settled();
    }
    now = until;
    await settled();
  }

  return {
    now: () => now,
    wallNow: () => now + wallAhead,
    ...(options.bootClock !== false && { bootNow: () => Math.floor((now + slept) / 10) * 10 }),
    schedule(delayMs, run) {
      created += 1;
      const timer: Timer = { due: now + Math.max(0, delayMs), order: created, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      if (!(ms >= 0)) throw new RangeError(`Time only goes on: advance(${ms})`);
      moving = moving.then(() => move(ms));
      return moving;
    },
    suspend(ms) {
      wallAhead += ms;
      slept += ms;
    },
    stepWall(ms) {
      wallAhead += ms;
    },
    get timers() {
      return timers.size;
    },
  };
}

/** Turns of the event loop given to promises, `setImmediate` batches and messages before the next timer runs. */
const TURNS = 4;

/** Lets everything that is ready run. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
