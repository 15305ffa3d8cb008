/**
 * A lease as a store keeps it, and what callers are shown of it. For authors of backends: keep whatever shape suits
 * the store, and build answers from these functions so that all backends answer alike.
 */

import { LeaseError } from "../errors.js";
import {
  type Blocker,
  type Claim,
  type Lease,
  type LeaseState,
  MAX_BLOCKERS,
  type Metadata,
  type Refusal,
} from "../model/model.js";
import { firstConflict, overlaps } from "../model/rule.js";
import type { ChangesOptions, LeaseQuery } from "./backend.js";

/** A lease in a store. Times named `…Wall` are ms since the Unix epoch, the others are on the store's clock. */
export interface LeaseRecord {
  readonly id: string;
  readonly agentId: string;
  readonly claims: readonly Claim[];
  state: LeaseState;
  readonly token: number;
  readonly ttlMs: number;
  expires: number;
  readonly requestedWall: number;
  acquiredWall: number | null;
  renewals: number;
  readonly maxRenewals: number | null;
  readonly holding: readonly string[];
  readonly reason: string | null;
  readonly metadata: Metadata | null;
  revoking: RevokingRecord | null;
}

/** A soft revoke under way; renewals are refused from `refusedFrom` on. */
export interface RevokingRecord {
  readonly by: string;
  readonly reason: string | null;
  readonly refusedFrom: number;
}

/** The moment an answer is given, on both clocks of the store. */
export interface Moment {
  /** The clock that decides what is live, in ms. */
  readonly now: number;
  /** Ms since the Unix epoch, for records and tokens. */
  readonly wallNow: number;
}

/** What callers are shown of a record at a moment. */
export function leaseOf(record: LeaseRecord, { now, wallNow }: Moment): Lease {
  const ended = record.state !== "pending" && record.state !== "active";
  return {
    id: record.id,
    agentId: record.agentId,
    claims: record.claims,
    state: record.state,
    token: record.token,
    ttlMs: record.ttlMs,
    expiresInMs: ended ? 0 : Math.max(0, record.expires - now),
    requestedAt: timestamp(record.requestedWall),
    acquiredAt: record.acquiredWall === null ? null : timestamp(record.acquiredWall),
    expiresAt: timestamp(wallNow + record.expires - now),
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

/** Answers given in one millisecond name the same few moments, and writing one out costs as much as a look-up. */
const RECENT = 64;
const recent: { readonly wallMs: number; readonly text: string }[] = [];

/**
 * Tells a caller what stands in the way of its claims.
 *
 * @param blockers - all of them, in order of their tokens; at least one
 */
export function refusalOf(claims: readonly Claim[], blockers: readonly LeaseRecord[], now: number): Refusal {
  return {
    blockers: blockers.slice(0, MAX_BLOCKERS).map((blocker) => blockerOf(claims, blocker, now)),
    blockerCount: blockers.length,
    position: blockers.length + 1,
    retryInMs: Math.max(0, soonestExpiry(blockers) - now),
  };
}

/** When the first of these leases ends unless renewed; `Infinity` for none. There may be very many. */
export function soonestExpiry(leases: readonly Pick<LeaseRecord, "expires">[]): number {
  return leases.reduce((soonest, lease) => Math.min(soonest, lease.expires), Number.POSITIVE_INFINITY);
}

function blockerOf(claims: readonly Claim[], record: LeaseRecord, now: number): Blocker {
  const claim = firstConflict(claims, record.claims) as Claim;
  return {
    id: record.id,
    agentId: record.agentId,
    resource: claim.resource,
    mode: claim.mode,
    state: record.state as Blocker["state"],
    token: record.token,
    reason: record.reason,
    expiresInMs: Math.max(0, record.expires - now),
  };
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
  return new LeaseError(
    "INVALID_ARGUMENT",
    `claims differ from those that the lease ${id} was asked for with: choose a new id for a new request`,
    { field: "claims" },
  );
}
