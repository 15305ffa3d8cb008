/**
 * A lease in the hands of its holder, as users see it. `held.ts` makes it true.
 */
import type { LossError } from "../errors.js";
import type { Claim, Lease, Revoking } from "../model/model.js";
import type { AcquireOptions } from "./lease-manager.js";
import type { Resources } from "./request.js";

/**
 * - `held`: the backend confirmed it, and the local deadline has not passed.
 * - `suspect`: the wall clock says the deadline passed and the monotonic one does not, as after a machine slept;
 *   not held until a renewal confirms it.
 * - `lost`: over without the holder having released it; `loss` says how.
 * - `ended`: released by the holder.
 */
export type HandleState = "held" | "suspect" | "lost" | "ended";

/**
 * What became of a release. `released`: the backend confirmed it. `gone`: there was nothing left to release, it had
 * been lost before. `unconfirmed`: no answer came before the lease's deadline; it ends by its TTL.
 */
export type ReleaseOutcome = "released" | "gone" | "unconfirmed";

/** A lease that this process holds. Made by the manager's `acquire`, `tryAcquire` and `withLease`. */
export interface LeaseHandle extends AsyncDisposable {
  readonly id: string;
  readonly agentId: string;
  /** Hand it to whatever you write to, so that it can refuse a holder that has been overtaken (`FencingGuard`). */
  readonly token: number;
  readonly claims: readonly Claim[];
  /** The lease as the backend last described it. */
  readonly lease: Lease;
  readonly state: HandleState;
  /**
   * Aborts when the lease is lost, with a {@link LossError} as its reason, and with `CLOSED` when the manager is closed
   * before it was released; not when its holder releases it. It aborts by a timer: after the process was stopped, `isHeld()` is right sooner.
   */
  readonly signal: AbortSignal;
  /** How it was lost, or `null`. */
  readonly loss: LossError | null;
  /**
   * Whether the lease is surely still held, computed now. Ask right before an act that cannot be taken back, and
   * fence that act with `token` all the same.
   */
  isHeld(): boolean;
  /**
   * `isHeld()` as a statement: returns if the lease is surely held now.
   *
   * @throws why it is not: `LEASE_LOST`, `LEASE_RENEWAL_LIMIT`, or `CLOSED` once released
   */
  assertHeld(): void;
  /** Milliseconds until the local deadline; 0 when it is not held. */
  remainingMs(): number;
  /**
   * Renews now, besides or instead of the automatic renewal.
   *
   * @param options.ttlMs - time from now on; by default the lease's own TTL. It never shortens.
   * @throws `LEASE_LOST`, `LEASE_RENEWAL_LIMIT` (the lease lives on until its deadline), or the backend's error
   */
  renew(options?: { readonly ttlMs?: number }): Promise<void>;
  /**
   * Acquires more while holding this. Stated as held in the request, so that a deadlock with others who do the same
   * is found and refused (`LEASE_DEADLOCK`) instead of waited out.
   */
  acquire(resources: Resources, options?: AcquireOptions): Promise<LeaseHandle>;
  /**
   * Calls `listener` once when somebody asks for the lease back with a grace (a soft revoke), at once if that has
   * happened already. Finish, or save what can be saved, and release: once `revoking.graceInMs` is over the lease can no
   * longer be renewed. It is heard at the next renewal, or at once with the manager's `followLosses`.
   *
   * @returns a function that takes the listener away
   */
  onRevokeRequested(listener: (revoking: Revoking) => void): () => void;
  /**
   * Gives the lease back. Never throws: where the backend cannot be reached it tries until the deadline and then
   * says `unconfirmed`. Safe to call twice.
   */
  release(): Promise<ReleaseOutcome>;
}
