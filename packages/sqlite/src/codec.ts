/**
 * A lease as text: what stands in the `record` columns, an array in a fixed order. What steps look for or change
 * most often (token, state, expires) has columns of its own.
 */
import {
  type Claim,
  formatCursor,
  LeaseError,
  type LeaseEvent,
  type LeaseEventType,
  type LeaseRecord,
  leaseOf,
} from "@lease/core";

/** A lease as it stands in the file. */
export interface StoredLease extends LeaseRecord {
  /** How much time `expires` was last set to lie ahead: what the lease is given again in a new boot. */
  givenMs: number;
  /** The `record` column as last written or read. */
  text: string;
}

/** Columns of a lease's row. */
export interface LeaseRow {
  readonly token: number;
  readonly state: number;
  readonly expires: number;
  readonly given_ms: number;
  readonly record: string;
}

/** Columns of a history row. */
export interface HistoryRow {
  readonly sequence: number;
  readonly wall: number;
  readonly now: number;
  readonly type: LeaseEventType;
  readonly token: number;
  readonly expires: number;
  readonly record: string;
  readonly by: string | null;
  readonly reason: string | null;
}

/** The `state` column. */
export const PENDING = 0;
export const ACTIVE = 1;

/** The `mode` column. */
const SHARED = 0;
export const EXCLUSIVE = 1;

export function modeNumber(mode: Claim["mode"]): number {
  return mode === "exclusive" ? EXCLUSIVE : SHARED;
}

export function stateNumber(state: LeaseRecord["state"]): number {
  return state === "active" ? ACTIVE : PENDING;
}

export function encode(lease: LeaseRecord): string {
  const claims: (string | number)[] = [];
  for (const { resource, mode } of lease.claims) claims.push(resource, modeNumber(mode));
  return JSON.stringify([
    lease.id,
    lease.agentId,
    claims,
    lease.ttlMs,
    lease.requestedWall,
    lease.acquiredWall,
    lease.renewals,
    lease.maxRenewals,
    lease.holding,
    lease.reason,
    lease.metadata,
    lease.revoking && [lease.revoking.by, lease.revoking.reason, lease.revoking.refusedFrom],
  ]);
}

/** @throws `BACKEND_CORRUPT` when the text is not what `encode` wrote */
export function decode(row: LeaseRow): StoredLease {
  return decodeText(
    row.record,
    row.token,
    row.expires,
    row.given_ms,
    row.state === ACTIVE ? "active" : "pending",
  );
}

/** The event that a history row tells of. */
export function decodeEvent(row: HistoryRow, epoch: string): LeaseEvent {
  const lease = decodeText(row.record, row.token, row.expires, 0, stateAfter(row.type));
  const at = { now: row.now, wallNow: row.wall };
  return {
    cursor: formatCursor(epoch, row.sequence),
    type: row.type,
    at: new Date(row.wall).toISOString(),
    lease: leaseOf(lease, at),
    by: row.by,
    reason: row.reason,
  };
}

function decodeText(
  text: string,
  token: number,
  expires: number,
  givenMs: number,
  state: LeaseRecord["state"],
): StoredLease {
  try {
    const [
      id,
      agentId,
      flatClaims,
      ttlMs,
      requestedWall,
      acquiredWall,
      renewals,
      maxRenewals,
      holding,
      reason,
      metadata,
      revoking,
    ] = JSON.parse(text);
    const claims: Claim[] = [];
    for (let index = 0; index < flatClaims.length; index += 2) {
      claims.push({
        resource: flatClaims[index],
        mode: flatClaims[index + 1] === EXCLUSIVE ? "exclusive" : "shared",
      });
    }
    return {
      id,
      agentId,
      claims,
      state,
      token,
      ttlMs,
      expires,
      requestedWall,
      acquiredWall,
      renewals,
      maxRenewals,
      holding,
      reason,
      metadata,
      revoking: revoking && { by: revoking[0], reason: revoking[1], refusedFrom: revoking[2] },
      givenMs,
      text,
    };
  } catch (cause) {
    throw new LeaseError(
      "BACKEND_CORRUPT",
      `The record of the lease with token ${token} cannot be read: restore the database from a backup.`,
      undefined,
      { cause },
    );
  }
}

/** The state that an event leaves its lease in. */
function stateAfter(type: LeaseEventType): LeaseRecord["state"] {
  switch (type) {
    case "queued":
      return "pending";
    case "acquired":
    case "renewed":
    case "revoking":
      return "active";
    default:
      return type;
  }
}
