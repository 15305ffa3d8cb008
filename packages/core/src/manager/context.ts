/**
 * What the parts of a manager share: the store, the clocks, and what a grant is.
 */
import type { LeaseBackend } from "../backend/backend.js";
import type { Clock } from "../clock.js";
import type { Lease } from "../model/model.js";

/** What waiting needs besides the request. */
export interface WaitContext {
  readonly backend: Pick<LeaseBackend, "acquire" | "turn" | "renew" | "release" | "list">;
  readonly clock: Clock;
  /**
   * Makes the id of a request whose place in the queue expired and that enters again. `null` where the caller chooses
   * the id: it gets `LEASE_LOST` instead.
   */
  readonly createId: (() => string) | null;
  /** From 0 to below 1. */
  readonly random: () => number;
  /**
   * Takes over work that goes on after the caller has its answer: giving back what an aborted request may have got.
   * The promise never rejects.
   */
  readonly onCleanup: (cleanup: Promise<void>) => void;
  /** Once it aborts, nothing is tried again that a store does not confirm. */
  readonly giveUp?: AbortSignal | undefined;
}

/** When a call was sent, on the clocks of its sender: what a deadline counts from. */
export interface Sent {
  readonly sentAt: number;
  readonly sentWall: number;
  /** How far the clock that counts sleep was ahead of the monotonic one; `null` where there is none. */
  readonly sentAhead: number | null;
}

/** A grant, and when the attempt that was answered was sent. */
export interface Grant extends Sent {
  readonly lease: Lease;
  /** The id was active before this call asked for it. */
  readonly repeated: boolean;
  /** An earlier attempt of this id was never answered; ending the lease must abandon the id. */
  readonly unanswered: boolean;
}
