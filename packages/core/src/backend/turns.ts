/**
 * The waiters of this process, for authors of backends whose store can be asked without waiting: the backend calls
 * `check()` whenever a lease may have ended, and only the waiters that can now be granted wake up.
 *
 * Each waiter remembers one lease in its way. A step concerns only the waiters whose lease it ended or granted, so in a
 * queue of a thousand a release costs one check, not a thousand.
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
  /**
   * The id of an earlier live lease in its way. Until a step ends or grants that one, or this request, no step can bring
   * the turn. Left out: any step may bring it.
   */
  readonly blockedBy?: string;
}

/** Stands for any lease, for a waiter that no check has connected with one; no id is empty. */
const ANY = "";

interface Waiter {
  readonly id: string;
  readonly timeoutAt: number;
  readonly settle: (error?: unknown) => void;
  /** The lease that it is concerned by, besides its own request. */
  blockedBy: string;
  /** When its timer fires; `Infinity` while it has none. */
  wakeAt: number;
  cancelTimer: CancelTimer;
}

/** Waiters of this process, woken only when the store says that they may be granted. */
export class Turns {
  readonly #clock: Clock;
  readonly #checkTurn: (id: string) => TurnCheck;
  readonly #waiters = new Set<Waiter>();
  /** By the ids of the leases that concern them. */
  readonly #concerned = new Map<string, Set<Waiter>>();

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
        this.#disconnect(waiter, id);
        this.#disconnect(waiter, waiter.blockedBy);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = () => settle();
      const timeoutAt = this.#clock.now() + timeoutMs;
      const waiter: Waiter = {
        id,
        timeoutAt,
        settle,
        blockedBy: ANY,
        wakeAt: Number.POSITIVE_INFINITY,
        cancelTimer: () => {},
      };
      signal?.addEventListener("abort", onAbort);
      this.#waiters.add(waiter);
      this.#connect(waiter, id);
      this.#connect(waiter, ANY);
      this.#check(waiter);
    });
  }

  /**
   * Checks for the waiters that a step concerns.
   *
   * @param moved - ids of all leases that it ended or granted; left out where that is not known: every waiter is checked
   */
  check(moved?: Iterable<string>): void {
    if (this.#waiters.size === 0) return;
    for (const waiter of moved === undefined ? [...this.#waiters] : this.#concernedBy(moved)) {
      this.#check(waiter);
    }
  }

  /** Ends every wait with `CLOSED`. */
  close(): void {
    for (const waiter of [...this.#waiters]) {
      waiter.settle(
        new LeaseError("CLOSED", "The backend was closed while this request waited for its turn."),
      );
    }
  }

  #concernedBy(moved: Iterable<string>): Set<Waiter> {
    const concerned = new Set(this.#concerned.get(ANY));
    for (const id of moved) for (const waiter of this.#concerned.get(id) ?? []) concerned.add(waiter);
    return concerned;
  }

  #connect(waiter: Waiter, id: string): void {
    const waiters = this.#concerned.get(id);
    if (waiters === undefined) this.#concerned.set(id, new Set([waiter]));
    else waiters.add(waiter);
  }

  #disconnect(waiter: Waiter, id: string): void {
    const waiters = this.#concerned.get(id);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#concerned.delete(id);
  }

  #check(waiter: Waiter): void {
    try {
      const now = this.#clock.now();
      const { reached, checkAgainAt, blockedBy = ANY } = this.#checkTurn(waiter.id);
      if (reached || now >= waiter.timeoutAt) {
        waiter.settle();
        return;
      }
      if (blockedBy !== waiter.blockedBy) {
        this.#disconnect(waiter, waiter.blockedBy);
        waiter.blockedBy = blockedBy;
        this.#connect(waiter, blockedBy);
      }
      this.#wake(waiter, Math.min(waiter.timeoutAt, checkAgainAt), now);
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
