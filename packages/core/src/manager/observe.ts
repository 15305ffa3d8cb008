/**
 * What a manager tells those who watch it: metrics, logs, shutdown. Watching changes nothing: a listener that throws
 * is not heard by anybody else, least of all by the work that is protected.
 */
import type { LossError } from "../errors.js";
import type { Revoking } from "../model/model.js";
import type { LeaseHandle } from "./handle.js";

/** What happens to the requests and leases of one manager. Times in milliseconds, on the manager's clock. */
export type ManagerEvent =
  /** A request was sent for the first time. It ends as `granted`, `refused` or `failed`. */
  | { readonly type: "requested"; readonly requestId: string }
  | {
      readonly type: "granted";
      readonly requestId: string;
      readonly lease: LeaseHandle;
      readonly waitedMs: number;
    }
  /** Not granted in time: what `tryAcquire` answers and `acquire` throws as `LEASE_UNAVAILABLE`. */
  | { readonly type: "refused"; readonly requestId: string; readonly waitedMs: number }
  /** Ended by an error: a LeaseError, or the reason of the caller's signal. */
  | {
      readonly type: "failed";
      readonly requestId: string;
      readonly waitedMs: number;
      readonly error: unknown;
    }
  /** `lateMs`: how much later than planned the renewal was sent. */
  | { readonly type: "renewed"; readonly lease: LeaseHandle; readonly lateMs: number }
  /** It is tried again until the lease's deadline. */
  | { readonly type: "renewal-failed"; readonly lease: LeaseHandle; readonly error: unknown }
  /** Somebody asked for the lease back; it can be renewed until the grace is over. */
  | { readonly type: "revoke-requested"; readonly lease: LeaseHandle; readonly revoking: Revoking }
  /** Released (`loss` is null) or lost. */
  | {
      readonly type: "ended";
      readonly lease: LeaseHandle;
      readonly heldMs: number;
      readonly loss: LossError | null;
    };

/** Hears of what happens to a manager's requests and leases. */
export type ManagerListener = (event: ManagerEvent) => void;

/** Calls listeners in the order in which they came, each whatever becomes of the others. */
export class Listeners<E> {
  readonly #listeners = new Set<(event: E) => void>();

  add(listener: (event: E) => void): () => void {
    // Wrapped, so that the same function added twice is two listeners.
    const own = (event: E) => listener(event);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  tell(event: E): void {
    if (this.#listeners.size === 0) return;
    for (const listener of [...this.#listeners]) {
      // What it throws, now or (an async one) later, is the listener's own fault; the others and the lease go on.
      try {
        const answer: unknown = listener(event);
        if (answer instanceof Promise) answer.catch(() => {});
      } catch {}
    }
  }
}
