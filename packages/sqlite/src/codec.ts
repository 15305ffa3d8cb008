/**
 * A lease as text: what stands in the `body` columns, an array in a fixed order. What steps look for or change most
 * often (id, token, state, expires) has columns of its own. Nothing in the text counts on the boot's clock.
 */
import {
  type Claim,
  formatCursor,
  LeaseError,
  type LeaseEvent,
  type LeaseEventType,
  type LeaseRecord,
  leaseOf,
  timestamp,
} from "@lease/core";

/** A lease as it stands in the file. */
export interface StoredLease extends LeaseRecord {
  /** How much time `expires` was last set to lie ahead: what the lease is given again in a new boot. */
  givenMs: number;
  /** The `body` column as last written or read. */
  text: string;
}

/** Columns of a lease's row. */
export interface LeaseRow {
  readonly id: string;
  readonly token: number;
  readonly state: number;
  readonly expires: number;
  readonly given_ms: number;
  readonly body: string;
}

/** Columns of a history row: the events of one transaction. */
export interface HistoryRow {
  /** Number of the last of them. */
  readonly sequence: number;
  readonly count: number;
  readonly wall: number;
  readonly events: string;
}

/** The `state` column. */
const PENDING = 0;
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
    lease.revoking && [lease.revoking.by, lease.revoking.reason, lease.expires - lease.revoking.refusedFrom],
  ]);
}

/** @throws `BACKEND_CORRUPT` when the body is not what `encode` wrote */
export function decode(row: LeaseRow): StoredLease {
  const body = parse(row.body, `lease ${row.id}`);
  const lease = unpack(body, { ...row, state: row.state === ACTIVE ? "active" : "pending" });
  return { ...lease, givenMs: row.given_ms, text: row.body };
}

/** An event as text, one item of the array in a history row. */
export function encodeEvent(
  type: LeaseEventType,
  { id, token, expires, text }: StoredLease,
  now: number,
  by: string | null,
  reason: string | null,
): string {
  const act = by === null && reason === null ? "" : `,${JSON.stringify(by)},${JSON.stringify(reason)}`;
  return `["${type}","${id}",${token},${expires - now},${text}${act}]`;
}

/** The events of a history row, oldest first. */
export function decodeEvents(
  row: HistoryRow,
  epoch: string,
): { readonly sequence: number; readonly event: LeaseEvent }[] {
  const first = row.sequence - row.count + 1;
  return parse(row.events, `history entry ${row.sequence}`).map((item: unknown, index: number) => {
    const [type, id, token, leftMs, body, by = null, reason = null] = item as [
      LeaseEventType,
      string,
      number,
      number,
      Body,
      string | null | undefined,
      string | null | undefined,
    ];
    // Seen from the moment of the event, when its clock stood at 0.
    const lease = unpack(body, { id, token, expires: leftMs, state: stateAfter(type) });
    const event: LeaseEvent = {
      cursor: formatCursor(epoch, first + index),
      type,
      at: timestamp(row.wall),
      lease: leaseOf(lease, { now: 0, wallNow: row.wall }),
      by,
      reason,
    };
    return { sequence: first + index, event };
  });
}

/** What `encode` packs. */
type Body = [
  agentId: string,
  claims: (string | number)[],
  ttlMs: number,
  requestedWall: number,
  acquiredWall: number | null,
  renewals: number,
  maxRenewals: number | null,
  holding: string[],
  reason: string | null,
  metadata: LeaseRecord["metadata"],
  revoking: [by: string, reason: string | null, beforeEndMs: number] | null,
];

function unpack(
  body: Body,
  { id, token, expires, state }: Pick<LeaseRecord, "id" | "token" | "expires" | "state">,
): LeaseRecord {
  const [agentId, packedClaims, ttlMs, requestedWall, acquiredWall, renewals, maxRenewals, ...rest] = body;
  const [holding, reason, metadata, revoking] = rest;
  const claims: Claim[] = [];
  for (let index = 0; index < packedClaims.length; index += 2) {
    claims.push({
      resource: packedClaims[index] as string,
      mode: packedClaims[index + 1] === EXCLUSIVE ? "exclusive" : "shared",
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
    revoking: revoking && { by: revoking[0], reason: revoking[1], refusedFrom: expires - revoking[2] },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: whoever calls it says what was encoded
function parse(text: string, what: string): any {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new LeaseError(
      "BACKEND_CORRUPT",
      `The ${what} cannot be read: restore the lease database from a backup.`,
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
