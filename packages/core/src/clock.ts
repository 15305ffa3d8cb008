/**
 * Time as core sees it: injected, so that whole scenarios run in simulated time.
 */
export interface Clock {
  /** Monotonic milliseconds since some fixed moment. Deadlines are counted on it. */
  now(): number;
  /** Milliseconds since the Unix epoch: for records, and to notice that the machine slept. */
  wallNow(): number;
  /**
   * Milliseconds since some fixed moment on a clock that goes on while the machine sleeps and that cannot be set, in steps
   * of at most 10 ms. Left out where there is none: a sleep is then noticed by `wallNow()` alone, so not when the wall
   * clock is set back by as much.
   */
  bootNow?(): number;
  /**
   * Calls `run` once after `delayMs`, unless the returned function was called first. It may call a little early, and
   * after 24 days of a longer delay: a caller that waits for a moment looks at `now()` and schedules again.
   *
   * @param options - `background: true` when the timer alone should not keep the process alive
   */
  schedule(delayMs: number, run: () => void, options?: { readonly background?: boolean }): CancelTimer;
}

/** Takes a scheduled call back; does nothing once it ran. */
export type CancelTimer = () => void;

/** The longest delay that a JavaScript timer takes; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * The machine's clocks: `performance.now()` (stands still while the machine sleeps), `Date.now()`, and on Linux the
 * time since the boot.
 */
export const systemClock: Clock = Object.freeze({
  now: () => performance.now(),
  wallNow: () => Date.now(),
  schedule(delayMs: number, run: () => void, options?: { readonly background?: boolean }): CancelTimer {
    // Rounded up: the timers of Node cut fractions off, and would mostly fire a moment before they are due.
    const timer: unknown = setTimeout(run, Math.min(Math.max(0, Math.ceil(delayMs)), MAX_TIMER_MS));
    if (options?.background === true) unref(timer);
    return () => clearTimeout(timer as Parameters<typeof clearTimeout>[0]);
  },
  ...bootClock(),
});

/**
 * `os.uptime()`, which on Linux counts sleep; elsewhere it follows the wall clock. Asked for at run time: an import of
 * `node:os` would keep this package from browsers. Deno asks its user for permission, so it goes without.
 */
function bootClock(): Pick<Clock, "bootNow"> {
  const { process } = globalThis as { process?: Partial<NodeJS.Process> };
  if (process?.platform !== "linux" || "deno" in (process.versions ?? {})) return {};
  const os = process.getBuiltinModule?.("node:os");
  return os === undefined ? {} : { bootNow: () => os.uptime() * 1000 };
}

/** Timers of browsers are numbers and keep nothing alive. */
function unref(timer: unknown): void {
  (timer as { unref?: () => void }).unref?.();
}
