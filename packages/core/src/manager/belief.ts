/**
 * What a holder may still believe of its lease, and until when: computed from the clocks when somebody asks, never read
 * from a flag that a timer set. After a SIGSTOP or a blocked event loop the first answer is already right.
 */
import type { Clock } from "../clock.js";
import type { Grant, Sent, WaitContext } from "./context.js";

/**
 * - `sure`: the backend confirmed it for longer than until now.
 * - `suspect`: by the wall clock that time is over and by the monotonic one it is not, as after the machine slept.
 * - `over`: that time is over.
 */
export type Certainty = "sure" | "suspect" | "over";

export class Belief {
  readonly #clock: Clock;
  readonly #marginOf: (expiresInMs: number) => number;
  /** Ends it whatever the backend says. */
  readonly #capAt: number;
  /** On the monotonic clock and on the wall clock. */
  #until = 0;
  #untilWall = 0;
  #endsBy: number;

  constructor(context: Pick<WaitContext, "clock" | "marginOf">, grant: Grant, maxHoldMs: number) {
    this.#clock = context.clock;
    this.#marginOf = context.marginOf;
    this.#capAt = grant.sentAt + maxHoldMs;
    this.#endsBy = this.#clock.now() + grant.lease.expiresInMs;
    this.confirm(grant.lease.expiresInMs, grant);
  }

  get certainty(): Certainty {
    if (this.#clock.now() >= this.#until) return "over";
    return this.#clock.wallNow() < this.#untilWall ? "sure" : "suspect";
  }

  /** The deadline, on the monotonic clock. */
  get until(): number {
    return this.#until;
  }

  /** No answer moves the deadline any more. */
  get isCapped(): boolean {
    return this.#until >= this.#capAt;
  }

  /** By then the backend has surely ended the lease by itself: where the deadline errs early, this errs late. */
  get endsBy(): number {
    return this.#endsBy;
  }

  /** Moves the deadline to what an answer allows: counted from the sending of the attempt that was answered. */
  confirm(expiresInMs: number, { sentAt, sentWall }: Sent): void {
    const until = sentAt + expiresInMs - this.#marginOf(expiresInMs);
    const wasSuspect = this.#clock.wallNow() >= this.#untilWall;
    // An answer that was long under way allows less than one before it, and both are true: the later one counts, with
    // the wall clock's side of the same answer. But what was believed before the machine slept is worth nothing.
    if (!wasSuspect && until <= this.#until) return;
    this.#until = Math.min(until, this.#capAt);
    this.#untilWall = sentWall + (this.#until - sentAt);
  }

  /** The backend may keep the lease for so long from now, whether or not that may be believed. */
  mayLiveFor(ms: number): void {
    this.#endsBy = Math.max(this.#endsBy, this.#clock.now() + ms);
  }
}
