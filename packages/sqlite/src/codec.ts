/**
 * A lease as text: what is stored in the `body` columns, an array in a fixed order. What steps look for or change most
 * often (id, token, state, expires) has columns of its own. Nothing in the text counts on the boot's clock.
 */
import { type Claim, LEASE_EVENT_TYPES, LeaseError, type LeaseEvent, type LeaseEventType } from "@lease/core";
import { formatCursor, type LeaseRecord, leaseOf, stateAfter, timestamp } from "@lease/core/backend";

/** A lease as it is stored in the file. */
export interface StoredLease extends LeaseRecord {
  /** On the boot's clock. */
  expires: number;
  /** Its id as it is stored in the columns, see {@link idKey}. */
  readonly key: string;
  /** How far ahead `expires` was last set: the time that the lease is given again in a new boot. */
  givenMs: number;
  /** The `body` column as last written or read. */
  text: string;
  /** It has a row of its own that stands for its place in the queue. */
  isQueued: boolean;
}

/** Columns of a lease's row. */
export interface LeaseRow {
  /** Its id, as {@link idKey} writes it. */
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

/** One event of the history, with its number. */
export interface HistoryEntry {
  readonly sequence: number;
  readonly event: LeaseEvent;
}

/** The `state` column; 0 is pending. */
export const ACTIVE = 1;
/** The `mode` column; 0 is shared. */
export const EXCLUSIVE = 1;

export function modeNumber(mode: Claim["mode"]): number {
  return mode === "exclusive" ? EXCLUSIVE : 0;
}

export function stateNumber(state: LeaseRecord["state"]): number {
  return state === "active" ? ACTIVE : 0;
}

/**
 * An id as it is stored in the columns: the sixteen bytes that its text spells, in 22 characters of base64url. An id is
 * in all rows of its lease, and SQLite returns text three times as fast as bytes.
 */
export function idKey(id: string): string {
  for (let from = 0, to = 0; to < ID_BYTES; from += 2, to += 1) {
    if (id.charCodeAt(from) === DASH) from += 1;
    idBytes[to] = ((HEX[id.charCodeAt(from)] as number) << 4) | (HEX[id.charCodeAt(from + 1)] as number);
  }
  return idBytes.toString("base64url");
}

/** The id that {@link idKey} wrote. */
export function idText(key: string): string {
  const hex = Buffer.from(key, "base64url").toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

const ID_BYTES = 16;
const DASH = 0x2d;
/** The value of a hexadecimal digit by its character code: several times as fast as the built-in functions. */
const HEX = Uint8Array.from(
  { length: 128 },
  (_, code) => Number.parseInt(String.fromCharCode(code), 16) || 0,
);
const idBytes = Buffer.alloc(ID_BYTES);

/**
 * What the text holds. Nulls at its end are left out: history is most of what steps write, and with short entries those
 * of more steps share a page. For the same reason times are written as small numbers: `requested` counts from the
 * moment that the token was made from, `acquired` from `requested`, and mostly both are 0.
 */
type Body = [
  agentId: string,
  claims: (string | number)[],
  ttlMs: number,
  requested: number,
  acquired?: number | null,
  renewals?: number | null,
  maxRenewals?: number | null,
  holding?: readonly string[] | null,
  reason?: string | null,
  metadata?: LeaseRecord["metadata"],
  revoking?: [by: string, reason: string | null, beforeEndMs: number] | null,
];

export function encode(lease: LeaseRecord & { readonly expires: number }): string {
  const { requestedWall, acquiredWall, revoking } = lease;
  const claims: (string | number)[] = [];
  for (const { resource, mode } of lease.claims) claims.push(resource, modeNumber(mode));
  const body: Body = [
    lease.agentId,
    claims,
    lease.ttlMs,
    requestedWall - wallOf(lease.token),
    acquiredWall === null ? null : acquiredWall - requestedWall,
    lease.renewals || null,
    lease.maxRenewals,
    lease.holding.length === 0 ? null : lease.holding,
    lease.reason,
    lease.metadata,
    revoking && [revoking.by, revoking.reason, lease.expires - revoking.refusedFrom],
  ];
  while (body.at(-1) === null) body.pop();
  return JSON.stringify(body);
}

/** @throws `BACKEND_CORRUPT` when the body is not what `encode` wrote */
export function decode(row: LeaseRow, id: string = idText(row.id)): StoredLease {
  const { token, expires, body } = row;
  const state = row.state === ACTIVE ? "active" : "pending";
  return {
    ...unpack(parse(body, `lease ${id}`), { id, token, expires, state }),
    expires,
    key: row.id,
    givenMs: row.given_ms,
    text: body,
    isQueued: state === "pending",
  };
}

/** An event as text, one item of the array in a history row. Its type is written as its place in the list of types. */
export function encodeEvent(
  type: LeaseEventType,
  { key, token, expires, text }: StoredLease,
  now: number,
  by: string | null,
  reason: string | null,
): string {
  const act = by === null && reason === null ? "" : `,${JSON.stringify(by)},${JSON.stringify(reason)}`;
  return `[${LEASE_EVENT_TYPES.indexOf(type)},"${key}",${token},${expires - now},${text}${act}]`;
}

type EventItem = [
  type: number,
  key: string,
  token: number,
  leftMs: number,
  body: Body,
  by?: string | null,
  reason?: string | null,
];

/** The events of a history row, oldest first. */
export function decodeEvents(
  { sequence: last, count, wall, events }: HistoryRow,
  epoch: string,
): HistoryEntry[] {
  const items: EventItem[] = parse(events, `history entry ${last}`);
  return items.map(([typeNumber, key, token, leftMs, body, by = null, reason = null], index) => {
    const sequence = last - count + 1 + index;
    const type = LEASE_EVENT_TYPES[typeNumber] as LeaseEventType;
    // Seen from the moment of the event, when its clock stood at 0.
    const record = unpack(body, { id: idText(key), token, expires: leftMs, state: stateAfter(type) });
    const lease = leaseOf(record, leftMs, { now: 0, wallNow: wall });
    return {
      sequence,
      event: { cursor: formatCursor(epoch, sequence), type, at: timestamp(wall), lease, by, reason },
    };
  });
}

/** What a record that cannot be read is reported as. */
export function unreadable(what: string, options?: ErrorOptions): LeaseError<"BACKEND_CORRUPT"> {
  const sentence = `The ${what} cannot be read: restore the lease database from a backup.`;
  return new LeaseError("BACKEND_CORRUPT", sentence, undefined, options);
}

function unpack(
  body: Body,
  { id, token, expires, state }: Pick<LeaseRecord, "id" | "token" | "state"> & { readonly expires: number },
): LeaseRecord {
  const [agentId, packed, ttlMs, requested, acquired = null, renewals, maxRenewals = null, ...rest] = body;
  const [holding, reason = null, metadata = null, revoking] = rest;
  const requestedWall = requested + wallOf(token);
  const claims: Claim[] = [];
  for (let index = 0; index < packed.length; index += 2) {
    const mode = packed[index + 1] === EXCLUSIVE ? "exclusive" : "shared";
    claims.push({ resource: packed[index] as string, mode });
  }
  return {
    id,
    agentId,
    claims,
    state,
    token,
    ttlMs,
    requestedWall,
    acquiredWall: acquired === null ? null : requestedWall + acquired,
    renewals: renewals ?? 0,
    maxRenewals,
    holding: holding ?? [],
    reason,
    metadata,
    revoking: revoking ? { by: revoking[0], reason: revoking[1], refusedFrom: expires - revoking[2] } : null,
  };
}

/** The moment that a token was made from, if the clock did not stand still or go back. */
function wallOf(token: number): number {
  return Math.floor(token / 1000);
}

// biome-ignore lint/suspicious/noExplicitAny: the caller says what was encoded
function parse(text: string, what: string): any {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unreadable(what, { cause });
  }
}
