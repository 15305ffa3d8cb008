/**
 * What users see of a manager: what it is made with, what it is asked, what it answers. `manager.ts` makes it true.
 */
import type { LeaseBackend } from "../backend/backend.js";
import type { Clock } from "../clock.js";
import type { Metadata, Mode, Refusal } from "../model/model.js";
import type { LeaseHandle } from "./handle.js";
import type { ManagerListener } from "./observe.js";
import type { Resources } from "./request.js";
import type { TtlPolicy } from "./ttl.js";

/** How to hold a lease. All durations in milliseconds. */
export interface HoldSettings {
  /** The mode of every resource given by name. Default `exclusive`. */
  readonly mode?: Mode | undefined;
  /** How long the lease lives from its grant or last renewal, or a policy that says so for each request. Default 30 000. */
  readonly ttlMs?: number | TtlPolicy | undefined;
  /** How long `acquire` stands in line; 0 asks once, `Infinity` waits for ever. Default 30 000. */
  readonly waitMs?: number | undefined;
  /** How long a place in line outlives this process, should it die. Default 15 000. */
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
  /** Why: shown to whoever is refused because of this lease. */
  readonly reason?: string | undefined;
  /** Plain JSON kept with the lease. */
  readonly metadata?: Metadata | undefined;
  /**
   * Leases that are kept while this request waits, as handles or ids. Stated, a deadlock through them is found;
   * `lease.acquire(…)` states its own.
   */
  readonly holding?: readonly (Pick<LeaseHandle, "id"> | string)[] | undefined;
  /** Gives up waiting; the call rejects with the signal's reason and leaves no lease behind. */
  readonly signal?: AbortSignal | undefined;
}

/** Whose leases, kept where. */
export interface LeaseManagerOptions {
  /** Where leases are kept. It stays the caller's: `close()` leaves it open unless told otherwise. */
  readonly backend: LeaseBackend;
  /** Who claims: names this process, worker or AI agent to others. */
  readonly agentId: string;
  /** What calls that say nothing else use, in place of the defaults of {@link HoldSettings}. */
  readonly defaults?: HoldSettings;
  /**
   * This agent does one thing at a time: while one request waits, everything that the manager holds is kept. Every
   * request then states all of it (the first 1000), so that any deadlock through it is found. Default `false`.
   */
  readonly sequential?: boolean;
  /**
   * Follow the backend's change feed while something is held for longer than a moment, so that a revoke is heard at once
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

/** What `tryAcquire` answers: the lease, or what stands in its way and what to do next. */
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
   * Acquires all the resources together, standing in line for up to `waitMs`.
   *
   * @throws `LEASE_UNAVAILABLE` with the blockers when the time is over; `LEASE_DEADLOCK` when waiting could never
   * end; `LEASE_LOST` when somebody revoked the request; `INVALID_ARGUMENT`; `CLOSED`; the backend's own errors; the
   * reason of `options.signal`
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
   * Tells `listener` of everything that happens to this manager's requests and leases, as it happens. What it throws
   * is ignored.
   *
   * @returns a function that takes the listener away
   */
  observe(listener: ManagerListener): () => void;

  /**
   * Grants nothing from here on and lets what is held come to its end: requests in line and new ones fail with
   * `CLOSED`, also `lease.acquire`; leases go on and are renewed. Never rejects. `close()` releases what is left.
   *
   * @returns when nothing is held any more, or when `options.signal` aborts
   */
  drain(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;

  /**
   * Ends all: requests in line fail with `CLOSED`, everything held is released (its `signal` aborts with `CLOSED`), and
   * what aborted requests may have left is given back. Safe to call twice.
   *
   * @param options.backend - close the backend too, once all is released, where nobody else uses it. Default `false`
   * @param options.withinMs - what the backend has not confirmed by then is not tried again, and ends by its TTL. The
   * call under way is still awaited. Default 10 000
   * @throws only what the backend throws when it is closed
   */
  close(options?: CloseOptions): Promise<void>;
}
