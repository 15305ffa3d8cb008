import { setTimeout as sleep } from "node:timers/promises";
import type { Backoff } from "./settings.js";

/** Resolves after `ms` or when `signal` aborts, whichever comes first; never rejects. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.min(ms, MAX_PAUSE_MS), undefined, { signal }).catch(() => {});
}

/** Timers hold no more than 2^31 - 1 ms; nobody means to wait for longer than a day between two attempts. */
const MAX_PAUSE_MS = 24 * 3_600_000;

/** Resolves when `promise` has settled, and at the latest after `ms`; never rejects. */
export async function within(promise: Promise<unknown>, ms: number): Promise<void> {
  const settled = new AbortController();
  const over = () => settled.abort();
  promise.then(over, over);
  await pause(ms, settled.signal);
}

/** The pause after attempt `attempt` (from 1). Chance spreads out those that failed together. */
export function backoffMs(attempt: number, backoff: Backoff): number {
  const ceiling = Math.min(backoff.mostMs, backoff.firstMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(ceiling * (0.5 + Math.random() / 2));
}
