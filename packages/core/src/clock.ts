/**
 * Time as core sees it: injected, so that whole scenarios run in simulated time.
 */
export interface Clock {
  /** Monotonic milliseconds since some fixed moment. Deadlines are counted on it. */
  now(): number;
  /** Milliseconds since the Unix epoch: for records, and to notice that the machine slept. */
  wallNow(): number;
  /**
   * Calls `run` once after `delayMs`, unless the returned function was called first. It may call a little early, and
   * after 24 days of a longer delay: whoever waits for a moment looks at `now()` and schedules anew.
   *
   * @param options - `background: true` when the timer alone should not keep the process alive
   */
  schedule(delayMs: number, run: () => void, options?: { readonly background?: boolean }): CancelTimer;
}

/** Takes a scheduled call back; does nothing once it ran. */
export type CancelTimer = () => void;

/** The longest delay that a JavaScript timer takes; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The machine's clocks: `performance.now()` (stands still while the machine sleeps) and `Date.now()`. */
export const systemClock: Clock = Object.freeze({
  now: () => performance.now(),
  wallNow: () => Date.now(),
  schedule(delayMs: number, run: () => void, options?: { readonly background?: boolean }): CancelTimer {
    const timer: unknown = setTimeout(run, Math.min(Math.max(0, delayMs), MAX_TIMER_MS));
    if (options?.background === true) unref(timer);
    return () => clearTimeout(timer as Parameters<typeof clearTimeout>[0]);
  },
});

/** Timers of browsers are numbers and keep nothing alive. */
function unref(timer: unknown): void {
  (timer as { unref?: () => void }).unref?.();
}
