/**
 * A lease as a store keeps it, and what callers are shown of it. For authors of backends: keep whatever shape suits
 * the store, and build answers from these functions so that all backends answer alike.
 */

import { invalidArgument, LeaseError } from "../errors.js";
import type {
  Blocker,
  Claim,
  Lease,
  LeaseEnd,
  LeaseEventType,
  LeaseState,
  Metadata,
  Refusal,
} from "../model/model.js";
import { firstConflict, overlaps } from "../model/rule.js";
import type { ChangesOptions, LeaseQuery } from "./backend.js";

/**
 * A lease in a store. Times named `…Wall` are ms since the Unix epoch. When it ends is not among it: how a store knows
 * that is its own affair.
 */
export interface LeaseRecord {
  readonly id: string;
  readonly agentId: string;
  readonly claims: readonly Claim[];
  state: LeaseState;
  readonly token: number;
  readonly ttlMs: number;
  readonly requestedWall: number;
  acquiredWall: number | null;
  renewals: number;
  readonly maxRenewals: number | null;
  readonly holding: readonly string[];
  readonly reason: string | null;
  readonly metadata: Metadata | null;
  revoking: RevokingRecord | null;
}

/** A soft revoke under way; renewals are refused from `refusedFrom` on, which is on the clock of {@link Moment.now}. */
interface RevokingRecord {
  readonly by: string;
  readonly reason: string | null;
  readonly refusedFrom: number;
}

/** How an id ended, which is remembered so that it has one life. */
export interface EndRecord extends Act {
  readonly agentId: string;
  readonly end: LeaseEnd;
}

/** Who ended or revoked a lease and why, where that is not its own agent; otherwise both are `null`. */
export interface Act {
  readonly by: string | null;
  readonly reason: string | null;
}

/** The agent's own act. */
export const NO_ACT: Act = Object.freeze({ by: null, reason: null });

/** The moment an answer is given, on both clocks of the store. */
export interface Moment {
  /** The clock that decides what is live, in ms. */
  readonly now: number;
  /** Ms since the Unix epoch, for records and tokens. */
  readonly wallNow: number;
}

/**
 * What callers are shown of a record at a moment.
 *
 * @param leftMs - how long its holder may still rely on it; negative once its time is over
 */
export function leaseOf(record: LeaseRecord, leftMs: number, { now, wallNow }: Moment): Lease {
  const ended = record.state !== "pending" && record.state !== "active";
  return {
    id: record.id,
    agentId: record.agentId,
    claims: record.claims,
    state: record.state,
    token: record.token,
    ttlMs: record.ttlMs,
    expiresInMs: ended ? 0 : Math.max(0, leftMs),
    requestedAt: timestamp(record.requestedWall),
    acquiredAt: record.acquiredWall === null ? null : timestamp(record.acquiredWall),
    expiresAt: timestamp(wallNow + leftMs),
    renewals: record.renewals,
    maxRenewals: record.maxRenewals,
    holding: record.holding,
    reason: record.reason,
    metadata: record.metadata,
    revoking: record.revoking && {
      by: record.revoking.by,
      reason: record.revoking.reason,
      graceInMs: Math.max(0, record.revoking.refusedFrom - now),
    },
  };
}

/** RFC 3339 in UTC with milliseconds. */
export function timestamp(wallMs: number): string {
  const slot = wallMs % RECENT;
  let made = recent[slot];
  if (made?.wallMs !== wallMs) {
    made = { wallMs, text: new Date(wallMs).toISOString() };
    recent[slot] = made;
  }
  return made.text;
}

/** Recent timestamps: answers within a millisecond repeat the same few, and formatting one costs as much as a look-up. */
const RECENT = 64;
const recent: { readonly wallMs: number; readonly text: string }[] = [];

/** A lease in the way of a request, as far as a refusal shows it. */
export interface Obstacle {
  readonly lease: Pick<LeaseRecord, "id" | "agentId" | "claims" | "state" | "token" | "reason">;
  /** How long it may still be in the way. */
  readonly blocksMs: number;
}

/**
 * What a refused request is shown.
 *
 * @param obstacles - the first `MAX.blockers` by token; at least one
 * @param blockerCount - how many there are in all
 * @param retryInMs - when the first of all of them may end by itself
 */
export function refusalOf(
  claims: readonly Claim[],
  obstacles: readonly Obstacle[],
  blockerCount: number,
  retryInMs: number,
): Refusal {
  return {
    blockers: obstacles.map((obstacle) => blockerOf(claims, obstacle)),
    blockerCount,
    position: blockerCount + 1,
    retryInMs: Math.max(0, retryInMs),
  };
}

function blockerOf(claims: readonly Claim[], { lease, blocksMs }: Obstacle): Blocker {
  const claim = firstConflict(claims, lease.claims) as Claim;
  return {
    id: lease.id,
    agentId: lease.agentId,
    resource: claim.resource,
    mode: claim.mode,
    state: lease.state as Blocker["state"],
    token: lease.token,
    reason: lease.reason,
    expiresInMs: Math.max(0, blocksMs),
  };
}

/** The state that an event leaves its lease in. */
export function stateAfter(type: LeaseEventType): LeaseState {
  if (type === "queued") return "pending";
  if (type === "acquired" || type === "renewed" || type === "revoking") return "active";
  return type;
}

/** Whether two lists name the same resources in the same modes, in any order. */
export function sameClaims(a: readonly Claim[], b: readonly Claim[]): boolean {
  if (a.length !== b.length) return false;
  const modes = new Map(a.map((claim) => [claim.resource, claim.mode]));
  return b.every((claim) => modes.get(claim.resource) === claim.mode);
}

/** Whether a lease passes the filters that `list` and `changes` share. */
export function matchesFilters(
  lease: Pick<LeaseRecord, "id" | "agentId" | "claims">,
  filters: LeaseQuery | ChangesOptions,
): boolean {
  if (filters.ids !== undefined && !filters.ids.includes(lease.id)) return false;
  if (filters.agentId !== undefined && filters.agentId !== lease.agentId) return false;
  const { resource } = filters;
  return resource === undefined || lease.claims.some((claim) => overlaps(claim.resource, resource));
}

/** Whether a request comes from the lease's own agent, with its token where it gives one. */
export function owns(
  request: { readonly agentId: string; readonly token?: number | undefined },
  lease: Pick<LeaseRecord, "agentId" | "token">,
): boolean {
  return request.agentId === lease.agentId && (request.token === undefined || request.token === lease.token);
}

/** What `acquire` throws for the id of another agent. */
export function notOwner(leaseId: string): LeaseError<"LEASE_NOT_OWNER"> {
  return new LeaseError(
    "LEASE_NOT_OWNER",
    `The lease ${leaseId} belongs to another agent: choose a new id.`,
    {
      leaseId,
    },
  );
}

/** What `acquire` throws for a living id asked again with other claims. */
export function differentClaims(id: string): LeaseError<"INVALID_ARGUMENT"> {
  return invalidArgument(
    "claims",
    `differ from those that the lease ${id} was asked for with: choose a new id for a new request`,
  );
}
