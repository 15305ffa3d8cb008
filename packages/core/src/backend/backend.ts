/**
 * The contract between Lease and a store: eight operations, each of them **one atomic step** and nothing else.
 * Waiting, retrying, renewing on time, timeouts, bookkeeping, events and metrics are built once, on top.
 *
 * For authors of a backend: `steps.ts` is this contract as a program, `defineBackend` makes a backend of a store, and
 * `conformance()` of `@lease/testing` holds it to the contract. What all operations share:
 *
 * - The rule (`rule.ts`) decides who is granted. The backend's own clock decides what is live; no caller's does.
 * - Ownership is checked in the same atomic step. Batches are atomic per lease and answer in the order asked.
 * - Every call ends within a bound of the backend's own: with an answer, or with `BACKEND_UNAVAILABLE` (surely not
 *   applied) or `OUTCOME_UNKNOWN` (perhaps applied). After `close()` every call fails with `CLOSED`.
 * - `defineBackend` checks each request first; a bad one throws `INVALID_ARGUMENT` and reaches no store.
 */
import type {
  Claim,
  Lease,
  LeaseEnd,
  LeaseEvent,
  LeaseEventType,
  Metadata,
  Refusal,
} from "../model/model.js";

/** A store of leases. Make one with `memoryBackend`, `sqliteBackend` … and hand it to `createLeaseManager`. */
export interface LeaseBackend {
  /** `"memory"`, `"sqlite"`, `"redis"` … for messages and labels; nothing decides by it. */
  readonly kind: string;
  readonly limits: BackendLimits;

  /**
   * Asks for all claims of a request together: grants them, refuses them, or queues the request.
   *
   * - The same id asked again while it lives gives the same lease with the same token and extends nothing; for a
   *   pending request it is also the heartbeat (`expires = now + waitTtlMs`) and the question "is it my turn?".
   * - `wait` says what becomes of a refused request, see {@link AcquireRequest.wait}.
   * - An id that ended as `expired` or `revoked`, or was abandoned, is answered `ended` for `limits.endMemoryMs`.
   * - A dead lease that it passes is first recorded as `expired`.
   *
   * @throws `INVALID_ARGUMENT` also for a living id asked again with other claims; `LEASE_NOT_OWNER` for the id of
   * another agent; `BACKEND_FULL` when there is no room
   */
  acquire(request: AcquireRequest): Promise<AcquireResult>;

  /**
   * Resolves when the pending request may have reached its turn, after `timeoutMs`, or when `signal` aborts. A hint:
   * it may come late or for nothing, and only `acquire` tells of a grant. It does not miss an end that falls between the
   * refusal and this call. For an id that is not pending it resolves at once.
   */
  turn(wait: TurnRequest): Promise<void>;

  /**
   * Renews active leases: `expires = max(expires, now + ttl)`. Never shortens, never revives.
   * A `renewal` up to what is counted is answered `repeated` and extends nothing, one more is counted and extends, and
   * anything beyond is `out-of-order` and writes nothing. Only then `maxRenewals` is looked at.
   */
  renew(requests: readonly RenewRequest[]): Promise<RenewResult[]>;

  /** Ends leases: by their agent (`release`, `abandon`) or by another one (`revoke`). */
  release(requests: readonly ReleaseRequest[]): Promise<ReleaseResult[]>;

  /**
   * Live leases by token, smallest first, filtered and in pages. To keep a picture of them: list, then follow
   * `changes` from the `cursor` of the pages.
   */
  list(query: LeaseQuery): Promise<LeasePage>;

  /**
   * Ends what is past its time and prunes history. Housekeeping only: an expired lease blocks no request, swept or not.
   */
  sweep(options: SweepOptions): Promise<SweepResult>;

  /**
   * The ordered record of transitions. With `follow` it goes on live until `signal` aborts (then it simply ends);
   * without, it ends at the present end of the history.
   *
   * @throws `CURSOR_EXPIRED` when an entry after `after` was pruned, when the cursor is of another history, or when
   * it lies past the end (a restored backup)
   */
  changes(options: ChangesOptions): AsyncIterable<LeaseEvent>;

  /** Gives back what the backend opened itself; leases stay. Safe to call twice. */
  close(): Promise<void>;
}

/** What a backend can and cannot do. Declared honestly: the conformance suite asserts each of them. */
export interface BackendLimits {
  /** The shortest TTL that it takes, also of a place in the queue. The longest is `MAX.ttlMs` everywhere. */
  readonly minTtlMs: number;
  /**
   * TTLs are rounded up to a multiple of this; 1 where every millisecond counts. Remaining times that are read back from
   * the store (by a repeat, a listing, a refusal) come in steps of it too, rounded down for the holder and up for the
   * requests that it blocks. Those of grants and renewals are exact.
   */
  readonly ttlStepMs: number;
  /** The most claims in one request. */
  readonly maxClaims: number;
  /** A lease may block this much longer than the time it was given, never shorter. At least 1, the grain of the clock. */
  readonly expirySlackMs: number;
  /**
   * How many TTLs more a lease may block when its time is no longer known: after a reboot, or when every client that saw
   * it is gone. They count from the first client that opens the store and stays. 0 where the store's own clock runs on.
   */
  readonly orphanSlackTtls: number;
  /** How long an `expired`, `revoked` or abandoned id is answered `ended`, at least. */
  readonly endMemoryMs: number;
  /**
   * What becomes of a renewal. `"recorded"`: it is counted, and `changes` reports it. `"counted"`: it is counted and
   * not reported. `"uncounted"`: it is not reported, and counted only where `maxRenewals` limits it. A renewal that is
   * not counted may write nothing: each one extends, and `renewals` in its answer is what the request said.
   */
  readonly renewals: "recorded" | "counted" | "uncounted";
  /**
   * How long `changes` remembers. `"kept"`: until a `sweep` prunes it. `"compacted"`: also only until the store's
   * operator, or the store by itself, compacts it away; a reader that goes on from there gets `CURSOR_EXPIRED`.
   */
  readonly history: "kept" | "compacted";
  /**
   * Whether a fault of the store, or its operator, can end a lease before its time (etcd: a leader that was paused, a
   * lease revoked by hand). A manager then follows the feed by default, to hear of it at once.
   */
  readonly mayEndEarly: boolean;
}

/** Whether a refused request is queued, and whether it may be granted by the step that frees its claims. */
export type WaitMode = "no" | "queue" | "hand-off";

/** Asks for all claims together; every field is stated, defaults are the manager's. */
export interface AcquireRequest {
  /** The lease's id, chosen by the caller: a lower-case UUID (version 7 by default, see `createLeaseId`). */
  readonly id: string;
  readonly agentId: string;
  /** At least one; the same resource twice is refused. */
  readonly claims: readonly Claim[];
  readonly ttlMs: number;
  /** How often the lease may be renewed; `null` for no limit. */
  readonly maxRenewals: number | null;
  /**
   * What becomes of a refused request:
   *
   * - `"no"`: nothing is left behind. A new request was never there, a pending one leaves the queue (`cancelled`).
   * - `"queue"`: it stays queued as a pending lease.
   * - `"hand-off"`: as `"queue"`, and the step that frees its claims may grant it at once, without a further acquire. Set
   *   it only if this process stays in `turn` and then acquires again at once: the lease's time runs from that step on.
   *   `acquire` still reports the grant, and its `expiresInMs` may understate the time left. A caller that stops waiting
   *   releases the id, whether or not it was granted. A backend may treat it as `"queue"`.
   */
  readonly wait: WaitMode;
  /** How long a pending request lives from its last acquire. */
  readonly waitTtlMs: number;
  /** Ids of leases that the agent keeps while it waits for this one. */
  readonly holding: readonly string[];
  readonly reason: string | null;
  readonly metadata: Metadata | null;
}

/** Granted, refused (queued or not), or an id that had its one life. */
export type AcquireResult =
  | {
      readonly status: "granted";
      readonly lease: Lease;
      /** The id was active before: this answer repeats an earlier grant. */
      readonly repeated: boolean;
    }
  | ({
      readonly status: "refused";
      /** The pending lease, with `wait`; otherwise `null`. */
      readonly lease: Lease | null;
    } & Refusal)
  | {
      readonly status: "ended";
      readonly end: LeaseEnd;
      /** Who ended it, if revoked. */
      readonly by: string | null;
      readonly reason: string | null;
    };

/** Whose turn to wait for, and for how long. */
export interface TurnRequest {
  readonly id: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Renews one active lease. */
export interface RenewRequest {
  readonly id: string;
  readonly agentId: string;
  /** Checked when given; core always gives it. */
  readonly token?: number | undefined;
  /** A new TTL from now on; left out: the lease's own. */
  readonly ttlMs?: number | undefined;
  /**
   * The caller's count of this renewal: `lease.renewals` of the last answer + 1. Left out: one more than is counted,
   * whether a repeat or not.
   */
  readonly renewal?: number | undefined;
}

/** What became of one renewal. */
export type RenewResult =
  | {
      readonly status: "renewed";
      readonly lease: Lease;
      /** This count was counted before: the answer repeats that renewal, and nothing was extended. */
      readonly repeated: boolean;
    }
  /** The count skips some; nothing was written. `lease.renewals` is what is counted: the next is one more. */
  | { readonly status: "out-of-order"; readonly lease: Lease }
  | { readonly status: "expired" | "not-owner" | "not-found" | "pending" }
  | { readonly status: "renewal-limit"; readonly maxRenewals: number }
  | { readonly status: "revoked"; readonly by: string | null; readonly reason: string | null };

/** Ends a lease or a place in the queue, in one of three ways. */
export type ReleaseRequest =
  /** The agent is done, or leaves the queue. */
  | {
      readonly kind: "release";
      readonly id: string;
      readonly agentId: string;
      /** Checked when given; core always gives it. */
      readonly token?: number | undefined;
    }
  /** Like release, and an acquire of this id that is still under way will find `ended`, known id or not. */
  | { readonly kind: "abandon"; readonly id: string; readonly agentId: string }
  /**
   * Another agent ends it. At once (`graceMs` 0), and until the holder's next renewal only fencing protects; or, of
   * an active lease, softly: it can be renewed for `graceMs` more and then runs out.
   */
  | {
      readonly kind: "revoke";
      readonly id: string;
      readonly by: string;
      readonly reason: string | null;
      readonly graceMs: number;
    };

/** What became of one release. */
export interface ReleaseResult {
  /**
   * `cancelled`: it was pending. `revoking`: a soft revoke has begun. `not-found`: it is not there (any more);
   * whether an earlier release arrived is then unknowable, and harmless.
   */
  readonly status: "released" | "cancelled" | "revoked" | "revoking" | "not-owner" | "not-found";
}

/** Which live leases to list; filters add up. */
export interface LeaseQuery {
  readonly ids?: readonly string[] | undefined;
  readonly agentId?: string | undefined;
  /** Leases with a claim that overlaps this resource. */
  readonly resource?: string | undefined;
  readonly state?: "pending" | "active" | undefined;
  /** Page size, 1 to `MAX.page`; by default {@link DEFAULT_PAGE}. */
  readonly limit?: number | undefined;
  /** `next` of the page before. */
  readonly after?: string | undefined;
}

/** Leases on a page by default. */
export const DEFAULT_PAGE = 100;

/** One page of a listing. */
export interface LeasePage {
  readonly leases: Lease[];
  /**
   * A place in the history from which `changes({ after: cursor, follow: true })` reports everything that these leases do
   * not show. It was looked up in the call for the first page, no later than the leases were read:
   *
   * - a transition up to it is shown, and is not reported again;
   * - a transition after it will be reported, and may be shown already: what was read a moment later is newer. So take each
   *   event's lease in place of the one listed, and drop it once it has ended: that leads to what is live;
   * - all pages of one listing bear the cursor of its first page, so any of them will do;
   * - it also stands for a history in which nothing was ever written, and for the end of one that was pruned.
   *
   * Like every cursor it is refused with `CURSOR_EXPIRED` once an entry after it was pruned.
   */
  readonly cursor: string;
  /** Pass it as `after` for the next page; `null` at the end. */
  readonly next: string | null;
}

/** How much to tidy up in one step. */
export interface SweepOptions {
  /** Events older than this are pruned; left out: none are. */
  readonly historyRetentionMs?: number | undefined;
  /** End at most this many leases in one step; by default {@link DEFAULT_SWEEP_LIMIT}. */
  readonly limit?: number | undefined;
}

/** Leases that one sweep ends by default. */
export const DEFAULT_SWEEP_LIMIT = 1000;

/** What a sweep ended and pruned. */
export interface SweepResult {
  /** What was past its time, as it ended. */
  readonly expired: Lease[];
  /** How many history entries were pruned. */
  readonly pruned: number;
  /** Whether it stopped at a bound, `limit` or one of the store's own, so that a next sweep may find more at once. */
  readonly more: boolean;
}

/** Which part of the history to read, and whether to go on live. */
export interface ChangesOptions {
  /**
   * Begin after this cursor, of an event or of a listing. Left out: at the oldest entry kept. `"end"`: at the present
   * end, for a reader that only wants what is new; one that must come back after a break takes `presentEnd()` or the cursor of a
   * listing instead, since `"end"` is somewhere else by then.
   */
  readonly after?: string | undefined;
  readonly follow?: boolean | undefined;
  readonly ids?: readonly string[] | undefined;
  readonly agentId?: string | undefined;
  /** Events of leases with a claim that overlaps this resource. */
  readonly resource?: string | undefined;
  readonly types?: readonly LeaseEventType[] | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether to follow in the background: alone it keeps no process alive. (A connection to a server may, as it does
   * when nothing is followed.) Default `false`.
   */
  readonly background?: boolean | undefined;
}
