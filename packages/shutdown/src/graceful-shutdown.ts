/**
 * `gracefulShutdown()`: ends a process that holds leases so that whoever waits for them is served at once.
 *
 * What it cannot do: nothing runs after SIGKILL, a crash, or a call of `process.exit()` elsewhere, and releasing takes
 * an answer of the store. What is held then ends by its TTL.
 */
import { constants } from "node:os";
import { LeaseError, systemClock } from "@lease/core";
import { Deadline } from "./deadline.js";
import { type GracefulShutdownOptions, SHUTDOWN_DEFAULTS } from "./options.js";
import type { ShutdownReport } from "./phases.js";
import { Run } from "./run.js";

/** A shutdown that has not happened yet. */
export interface GracefulShutdown extends Disposable {
  /** Aborts when it begins, with a `CLOSED` error: for work that can end early. */
  readonly signal: AbortSignal;
  /** Begins it, or joins one under way. Ends with `exit`, as after a signal. Never rejects. */
  shutDown(): Promise<ShutdownReport>;
  /** Listens to signals no more. */
  [Symbol.dispose](): void;
}

/**
 * On a signal: grants nothing more, lets work end, releases everything, sweeps, closes, and exits with 0 if all went well
 * and 1 if something was left. A second signal exits at once with 128 + its number.
 *
 * @throws `INVALID_ARGUMENT` for a bad duration
 */
export function gracefulShutdown(options: GracefulShutdownOptions): GracefulShutdown {
  const { timeoutMs = SHUTDOWN_DEFAULTS.timeoutMs, signals = SHUTDOWN_DEFAULTS.signals } = options;
  const { drainMs = timeoutMs * SHUTDOWN_DEFAULTS.drainPart, clock = systemClock } = options;
  checkMs(timeoutMs, "timeoutMs");
  checkMs(drainMs, "drainMs");
  const begun = new AbortController();
  let running: Promise<ShutdownReport> | null = null;
  let exited = false;

  function exit(code: number): void {
    if (exited) return;
    exited = true;
    (options.exit ?? process.exit)(code);
  }

  function begin(signal: NodeJS.Signals | null): Promise<ShutdownReport> {
    running ??= (async () => {
      begun.abort(
        new LeaseError("CLOSED", "This process is shutting down: finish, or stop where it is safe."),
      );
      const report = await new Run(options, drainMs, new Deadline(clock, timeoutMs), signal).run();
      exit(report.code);
      return report;
    })();
    return running;
  }

  function onSignal(signal: NodeJS.Signals): void {
    // Whoever asks a second time does not want to wait.
    if (running !== null) exit(128 + constants.signals[signal]);
    else void begin(signal);
  }

  for (const signal of signals) process.on(signal, onSignal);
  return {
    signal: begun.signal,
    shutDown: () => begin(null),
    [Symbol.dispose]() {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}

function checkMs(value: number, field: string): void {
  if (Number.isFinite(value) && value >= 0) return;
  throw new LeaseError("INVALID_ARGUMENT", `${field} must be a number of milliseconds, 0 or more`, { field });
}
