/** `releaseOnExit()`: a script that ends gives back what it holds. */
import { type LeaseManager, systemClock } from "@lease/core";
import { Deadline } from "./deadline.js";

/** When a script gives its leases back. */
export interface ReleaseOnExitOptions {
  /**
   * Signals after which to release, too; the process then ends by the signal, as it would have. Default none: a signal
   * that nobody handles ends a process at once.
   */
  readonly signals?: readonly NodeJS.Signals[];
  /** How long the end may be held up, in milliseconds. Default 5 000. */
  readonly timeoutMs?: number;
}

/**
 * Closes the manager, and so releases all that it holds, when the script has nothing left to do (`beforeExit`). Leases
 * keep no process alive, so a script that forgets one still ends; connections of a backend may (Redis does): close them.
 *
 * Releasing takes an answer of the store, so it cannot happen where nothing asynchronous can: after `process.exit()`, an
 * error that nobody caught, or SIGKILL. What is held then ends by its TTL.
 *
 * @returns a function that takes it back
 */
export function releaseOnExit(manager: LeaseManager, options: ReleaseOnExitOptions = {}): () => void {
  const { signals = [], timeoutMs = 5_000 } = options;
  const release = () => new Deadline(systemClock, timeoutMs).wait(() => manager.close());

  // Node emits it again when what it began is over; then there is nothing left to begin.
  const onBeforeExit = () => {
    stop();
    void release();
  };
  const onSignal = async (signal: NodeJS.Signals) => {
    stop();
    await release();
    // With no handler of ours the signal does what it always did, and whoever waits for us sees it.
    process.kill(process.pid, signal);
  };
  const stop = () => {
    process.off("beforeExit", onBeforeExit);
    for (const signal of signals) process.off(signal, onSignal);
  };

  process.on("beforeExit", onBeforeExit);
  for (const signal of signals) process.on(signal, onSignal);
  return stop;
}
