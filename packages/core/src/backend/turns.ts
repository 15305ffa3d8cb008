/**
 * The waiters of this process, for authors of backends whose store can be asked without waiting: the backend calls
 * `check()` whenever a lease may have ended, and only the waiters that can now be granted wake up.
 */

import type { CancelTimer, Clock } from "../clock.js";
import { LeaseError } from "../errors.js";
import type { TurnRequest } from "./backend.js";

/** What a check of a pending request found. */
export interface TurnCheck {
  /** It may be granted now, or it is not pending (any more). */
  readonly reached: boolean;
  /** When time alone could change that: the soonest expiry in its way, on the clock given to {@link Turns}. */
  readonly checkAgainAt: number;
}

interface Waiter {
  readonly id: string;
  readonly timeoutAt: number;
  readonly settle: (error?: unknown) => void;
  /** When its timer fires; `Infinity` while it has none. */
  wakeAt: number;
  cancelTimer: CancelTimer;
}

/** Waiters of this process, woken only when the store says that they may be granted. */
export class Turns {
  readonly #clock: Clock;
  readonly #checkTurn: (id: string) => TurnCheck;
  readonly #waiters = new Set<Waiter>();

  /** @param check - answers at once from the store; what it throws reaches the waiter */
  constructor(clock: Clock, check: (id: string) => TurnCheck) {
    this.#clock = clock;
    this.#checkTurn = check;
  }

  /** Whether there are waiters: a store that polls need not while there are none. */
  get waiting(): boolean {
    return this.#waiters.size > 0;
  }

  /** Implements `LeaseBackend.turn`. Checks first, so that an end before the call is not missed. */
  wait({ id, timeoutMs, signal }: TurnRequest): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = (error?: unknown) => {
        waiter.cancelTimer();
        signal?.removeEventListener("abort", onAbort);
        this.#waiters.delete(waiter);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = () => settle();
      const timeoutAt = this.#clock.now() + timeoutMs;
      const waiter: Waiter = {
        id,
        timeoutAt,
        settle,
        wakeAt: Number.POSITIVE_INFINITY,
        cancelTimer: () => {},
      };
      signal?.addEventListener("abort", onAbort);
      this.#waiters.add(waiter);
      this.#check(waiter);
    });
  }

  /** Checks for every waiter. */
  check(): void {
    for (const waiter of [...this.#waiters]) this.#check(waiter);
  }

  /** Ends every wait with `CLOSED`. */
  close(): void {
    for (const waiter of [...this.#waiters]) {
      waiter.settle(
        new LeaseError("CLOSED", "The backend was closed while this request waited for its turn."),
      );
    }
  }

  #check(waiter: Waiter): void {
    try {
      const now = this.#clock.now();
      const { reached, checkAgainAt } = this.#checkTurn(waiter.id);
      if (reached || now >= waiter.timeoutAt) waiter.settle();
      else this.#wake(waiter, Math.min(waiter.timeoutAt, checkAgainAt), now);
    } catch (error) {
      waiter.settle(error);
    }
  }

  /**
   * A timer that would fire sooner stays. One that would fire later does not: a blocker whose own turn came may
   * hold for less time than it had left to wait.
   */
  #wake(waiter: Waiter, at: number, now: number): void {
    if (at >= waiter.wakeAt) return;
    waiter.cancelTimer();
    waiter.wakeAt = at;
    waiter.cancelTimer = this.#clock.schedule(Math.max(at - now, 1), () => {
      waiter.wakeAt = Number.POSITIVE_INFINITY;
      this.#check(waiter);
    });
  }
}
