/**
 * The words of the lease model, as data. Nothing here decides anything: `rule.ts` says who is granted,
 * `backend.ts` says what a store must do.
 */

/**
 * How a resource is claimed. Two `shared` claims go together; every other pair of modes on overlapping
 * resources conflicts.
 */
export type Mode = "exclusive" | "shared";

/** One resource in one mode. `src/**` claims `src` and everything below it. */
export interface Claim {
  /** A canonical `/`-separated key, see {@link checkResource} for its grammar. */
  readonly resource: string;
  readonly mode: Mode;
}

/** How a lease can end. */
export type LeaseEnd = "released" | "expired" | "revoked" | "cancelled";

/** `pending` (queued), `active` (held), then exactly one end. */
export type LeaseState = "pending" | "active" | LeaseEnd;

/** Plain JSON that a caller attaches to a lease; at most `MAX.metadataBytes` once serialised. */
export type Metadata = { readonly [key: string]: JsonValue };
/** Any JSON value. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** A soft revoke under way: another agent asked for the lease back and gave the holder a grace. */
export interface Revoking {
  /** Who asked. */
  readonly by: string;
  readonly reason: string | null;
  /** Milliseconds until renewals are refused, counted when the backend answered; 0 once the grace is over. */
  readonly graceInMs: number;
}

/**
 * One or more claims granted together to one agent, with one id, one TTL and one fencing token.
 *
 * A snapshot: true when the backend answered. Durations (`…Ms`) were measured by the backend's own clock;
 * absolute times (`…At`, RFC 3339 in UTC) are for people to read and decide nothing.
 */
export interface Lease {
  /** Chosen by the caller (a UUID, version 7 by default); also the idempotency key of its acquire. */
  readonly id: string;
  readonly agentId: string;
  readonly claims: readonly Claim[];
  readonly state: LeaseState;
  /** Fencing token: only grows within a namespace, is never given twice, and is the place in the queue. Below 2^53. */
  readonly token: number;
  /** The TTL of the grant, and of every renewal that names none of its own. */
  readonly ttlMs: number;
  /** Time left when the backend answered; 0 once the lease has ended. */
  readonly expiresInMs: number;
  /** When the request was queued (for a request granted at once: when it was granted). */
  readonly requestedAt: string;
  /** `null` while pending. */
  readonly acquiredAt: string | null;
  readonly expiresAt: string;
  /** Renewals counted so far. */
  readonly renewals: number;
  /** `null`: no limit. */
  readonly maxRenewals: number | null;
  /** Ids of leases that the agent keeps while this request waits: what deadlock detection goes by. */
  readonly holding: readonly string[];
  readonly reason: string | null;
  readonly metadata: Metadata | null;
  /** Set from the moment of a soft revoke. */
  readonly revoking: Revoking | null;
}

/** An earlier live lease that stands in the way of another. */
export interface Blocker {
  readonly id: string;
  readonly agentId: string;
  /** The blocker's own claim that conflicts first. */
  readonly resource: string;
  readonly mode: Mode;
  readonly state: "pending" | "active";
  readonly token: number;
  readonly reason: string | null;
  /** Time until the blocker ends unless it renews (or, pending, asks again). */
  readonly expiresInMs: number;
}

/** Why a request was not granted now, complete enough to decide what to do next. */
export interface Refusal {
  /** The first `MAX.blockers` by token. */
  readonly blockers: readonly Blocker[];
  /** How many there are in all. */
  readonly blockerCount: number;
  /** Earlier live conflicting leases + 1. */
  readonly position: number;
  /** The earliest moment at which the answer can change with no agent acting: the soonest expiry of a blocker. */
  readonly retryInMs: number;
}

/**
 * What can happen to a lease. `revoking` is the request of a soft revoke; every other one is a transition
 * between states (or, `renewed`, of the expiry).
 */
export const LEASE_EVENT_TYPES = Object.freeze([
  "queued",
  "acquired",
  "renewed",
  "revoking",
  "released",
  "expired",
  "revoked",
  "cancelled",
] as const);

/** One of {@link LEASE_EVENT_TYPES}. */
export type LeaseEventType = (typeof LEASE_EVENT_TYPES)[number];

/** One entry of the change feed, written in the same atomic step as the transition. */
export interface LeaseEvent {
  /** Opaque; hand it back as `after` to go on from here. */
  readonly cursor: string;
  readonly type: LeaseEventType;
  readonly at: string;
  /** The lease right after the transition. */
  readonly lease: Lease;
  /** Who did it, where that is not the agent itself (a revoke); otherwise `null`. */
  readonly by: string | null;
  /** Why, as given with a revoke; otherwise `null`. */
  readonly reason: string | null;
}
