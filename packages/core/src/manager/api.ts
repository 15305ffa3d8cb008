/**
 * What users see of a manager: what it is made with, what it is asked, what it answers, and the leases that it hands
 * out. Types only: `manager.ts` and `handle.ts` implement them.
 */
import type { LeaseBackend } from "../backend/backend.js";
import type { Clock } from "../clock.js";
import type { LossError } from "../errors.js";
import type { Claim, Lease, Metadata, Mode, Refusal, Revoking } from "../model/model.js";

/** What to lease: one resource or several, each by name (in the mode of the call) or with a mode of its own. */
export type Resources = ResourceInput | readonly ResourceInput[];
/** One resource: its name, or an object that may name its mode. */
export type ResourceInput = string | { readonly resource: string; readonly mode?: Mode | undefined };

/** Says the TTL of one request, in milliseconds, when it is sent. What it throws, the request rejects with. */
export type TtlPolicy = (request: TtlRequest) => number | Promise<number>;

/** What a TTL policy knows of the request. */
export interface TtlRequest {
  readonly agentId: string;
  readonly claims: readonly Claim[];
}

/** How to hold a lease. All durations in milliseconds. */
export interface HoldSettings {
  /** The mode of every resource given by name. Default `exclusive`. */
  readonly mode?: Mode | undefined;
  /** How long the lease lives from its grant or last renewal, or a policy that says so for each request. Default 30 000. */
  readonly ttlMs?: number | TtlPolicy | undefined;
  /** How long `acquire` waits in the queue; 0 asks once, `Infinity` waits for ever. Default 30 000. */
  readonly waitMs?: number | undefined;
  /** How long a place in the queue outlives this process if it dies. Default 15 000. */
  readonly waitTtlMs?: number | undefined;
  /** Renew at a third of the TTL for as long as the lease is held. Default `true`. */
  readonly autoRenew?: boolean | undefined;
  /** Renewals agreed on, after which the lease runs out. Default: no limit. */
  readonly maxRenewals?: number | undefined;
  /** The longest time to hold, however often renewed. Default: no limit. */
  readonly maxHoldMs?: number | undefined;
}

/** One request. */
export interface AcquireOptions extends HoldSettings {
  /** Why: shown to requests that are refused because of this lease. */
  readonly reason?: string | undefined;
  /** Plain JSON kept with the lease. */
  readonly metadata?: Metadata | undefined;
  /**
   * Leases that are kept while this request waits, as handles or ids. Stated, a deadlock through them is found;
   * `lease.acquire(…)` states its own.
   */
  readonly holding?: readonly (Pick<LeaseHandle, "id"> | string)[] | undefined;
  /**
   * Gives up waiting. The call rejects with the signal's reason once the store confirmed that nothing is left behind, at
   * most a second later.
   */
  readonly signal?: AbortSignal | undefined;
}

/** Whose leases, kept where. */
export interface LeaseManagerOptions {
  /** Where leases are kept. It stays the caller's: `close()` leaves it open by default. */
  readonly backend: LeaseBackend;
  /** The agent that claims: names this process, worker or AI agent to others. */
  readonly agentId: string;
  /** What calls that say nothing else use, in place of the defaults of {@link HoldSettings}. */
  readonly defaults?: HoldSettings;
  /**
   * This agent does one thing at a time: while one request waits, everything that the manager holds is kept. Every
   * request then states all of it (the first 1000), so that any deadlock through it is found. Default `false`.
   */
  readonly sequential?: boolean;
  /**
   * Follow the backend's change feed while something is held for longer than a moment, so that a revoke is noticed at once
   * instead of at the next renewal. Costs a follower per manager. Default: where the backend's `limits.mayEndEarly` says
   * that it may matter.
   */
  readonly followLosses?: boolean;
  /** Default: the machine's clocks. */
  readonly clock?: Clock;
  /** Chance for jitter, from 0 to below 1. Default `Math.random`. */
  readonly random?: () => number;
}

/** How to close a manager, see {@link LeaseManager.close}. */
export interface CloseOptions {
  readonly backend?: boolean;
  readonly withinMs?: number;
}

/** What `tryAcquire` answers: the lease, or what blocks it and what to do next. */
export type TryAcquireResult =
  | { readonly granted: true; readonly lease: LeaseHandle }
  | ({ readonly granted: false /** The refusal in words. */; readonly message: string } & Refusal);

/** Acquires leases for one agent and keeps them. */
export interface LeaseManager extends AsyncDisposable {
  readonly backend: LeaseBackend;
  readonly agentId: string;
  /** What this manager holds now. */
  readonly held: readonly LeaseHandle[];

  /**
   * Acquires all the resources together, and waits in the queue for up to `waitMs`.
   *
   * @throws `LEASE_UNAVAILABLE` with the blockers when the time is over; `LEASE_DEADLOCK` when waiting could never
   * end; `LEASE_LOST` when the request was revoked; `INVALID_ARGUMENT`; `CLOSED`; the backend's own errors,
   * `OUTCOME_UNKNOWN` also for a refusal while an attempt that went unanswered may still be granted; the reason of
   * `options.signal`. It has left the queue by then, unless the store does not confirm that within a second.
   */
  acquire(resources: Resources, options?: AcquireOptions): Promise<LeaseHandle>;

  /**
   * Asks once and answers at once, with the lease or with the refusal as a value.
   *
   * @throws as `acquire`, but for `LEASE_UNAVAILABLE` and `LEASE_DEADLOCK`
   */
  tryAcquire(resources: Resources, options?: Omit<AcquireOptions, "waitMs">): Promise<TryAcquireResult>;

  /**
   * Acquires, runs `work`, releases, and gives what `work` gave. An error of `work` is never masked; if the lease was
   * lost while `work` succeeded, the call rejects with that loss, because not all of the work was protected. Writes
   * that a fenced receiver admitted before may then stand: look before doing the work again.
   */
  withLease<T>(resources: Resources, work: (lease: LeaseHandle) => T | Promise<T>): Promise<T>;
  withLease<T>(
    resources: Resources,
    options: AcquireOptions,
    work: (lease: LeaseHandle) => T | Promise<T>,
  ): Promise<T>;

  /**
   * Calls `listener` with everything that happens to this manager's requests and leases, as it happens. What it throws
   * is ignored.
   *
   * @returns a function that takes the listener away
   */
  observe(listener: ManagerListener): () => void;

  /**
   * Stops acquiring, and waits for held leases to end: queued requests and new ones fail with
   * `CLOSED`, also `lease.acquire`; leases go on and are renewed. `close()` releases what is left.
   *
   * @returns when nothing is held any more, or when `options.signal` aborts
   * @throws only `INVALID_ARGUMENT`, for a bad option
   */
  drain(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;

  /**
   * Ends all: queued requests fail with `CLOSED`, everything held is released (its `signal` aborts with `CLOSED`), and
   * what aborted requests may have left is given back. Safe to call twice.
   *
   * @param options.backend - close the backend too, once all is released, where nothing else uses it. Default `false`
   * @param options.withinMs - what the backend has not confirmed by then is not tried again, and ends by its TTL. The
   * call under way is still awaited. Default 10 000
   * @throws `INVALID_ARGUMENT` for a bad option; what the backend throws when it is closed
   */
  close(options?: CloseOptions): Promise<void>;
}

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

/**
 * A lease that this process holds. Made by the manager's `acquire`, `tryAcquire` and `withLease`.
 *
 * One that is dropped without `release()` stays held, and renewed, until its manager closes: its work may go on under
 * the signal or the token alone. The process is warned of the first one of each manager (`LEASE_DROPPED`), at the
 * earliest after its first renewal; `manager.held` still has it.
 */
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
   * fence that act with `token` anyway.
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
   * Renews now, in addition to the automatic renewal or instead of it.
   *
   * @param options.ttlMs - time from now on; by default the lease's own TTL. It never shortens.
   * @throws `LEASE_LOST`, `LEASE_RENEWAL_LIMIT` (the lease lives on until its deadline), or the backend's error
   */
  renew(options?: { readonly ttlMs?: number }): Promise<void>;
  /**
   * Acquires more while holding this. The request states as held this lease and those that it was acquired under, so
   * that a deadlock through them is found and refused (`LEASE_DEADLOCK`) instead of waited out.
   *
   * @throws as `acquire` of the manager; why this lease is over (`LEASE_LOST`, `LEASE_RENEWAL_LIMIT`, `CLOSED` once
   * released), also when it ends while the request waits
   */
  acquire(resources: Resources, options?: AcquireOptions): Promise<LeaseHandle>;
  /**
   * Calls `listener` once when the lease is asked back with a grace (a soft revoke), at once if that has
   * happened already. Finish, or save what can be saved, and release: once `revoking.graceInMs` is over the lease can no
   * longer be renewed. It is noticed at the next renewal, or at once with the manager's `followLosses`.
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
  /** The lease was asked back; it can be renewed until the grace is over. */
  | { readonly type: "revoke-requested"; readonly lease: LeaseHandle; readonly revoking: Revoking }
  /** Released (`loss` is null) or lost. */
  | {
      readonly type: "ended";
      readonly lease: LeaseHandle;
      readonly heldMs: number;
      readonly loss: LossError | null;
    };

/** Called with what happens to a manager's requests and leases. */
export type ManagerListener = (event: ManagerEvent) => void;
