/**
 * What to do about errors of a backend that may pass.
 */
import type { Clock } from "../clock.js";
import { isLeaseError } from "../errors.js";
import { DEFAULTS } from "./defaults.js";

/** Whether trying again may help: the store could not be reached, or its answer was lost. */
export function isTransient(error: unknown): boolean {
  return isLeaseError(error, "BACKEND_UNAVAILABLE", "OUTCOME_UNKNOWN");
}

/**
 * Whether the call surely had no effect. Anything but a LeaseError may have reached the store.
 */
export function surelyNotApplied(error: unknown): boolean {
  return isLeaseError(error) && error.code !== "OUTCOME_UNKNOWN" && error.code !== "CLOSED";
}

/**
 * The pause before try `attempt` (from 1): doubling from 50 ms to 2 s, of which the upper half is chance, so that
 * many callers of a store that comes back do not arrive together.
 */
export function retryDelayMs(attempt: number, random: () => number): number {
  const ceiling = Math.min(DEFAULTS.retryMostMs, DEFAULTS.retryFirstMs * 2 ** Math.min(attempt - 1, 10));
  return ceiling * (0.5 + random() / 2);
}

/** What `promise` resolves with, or `undefined` after `ms`. */
export async function within<T>(clock: Clock, promise: Promise<T>, ms: number): Promise<T | undefined> {
  let cancel = () => {};
  const over = new Promise<undefined>((resolve) => {
    cancel = clock.schedule(ms, () => resolve(undefined));
  });
  try {
    return await Promise.race([promise, over]);
  } finally {
    cancel();
  }
}

/** Resolves after `ms` or when `signal` aborts, whichever comes first; never rejects. */
export function pause(clock: Clock, ms: number, signal?: AbortSignal, background = false): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const settle = () => {
      cancel();
      signal?.removeEventListener("abort", settle);
      resolve();
    };
    const cancel = clock.schedule(ms, settle, { background });
    signal?.addEventListener("abort", settle);
  });
}
