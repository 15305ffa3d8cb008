/**
 * A lease as text: what stands in the `body` columns, an array in a fixed order. What steps look for or change most
 * often (id, token, state, expires) has columns of its own. Nothing in the text counts on the boot's clock.
 */
import { type Claim, LeaseError, type LeaseEvent, type LeaseEventType } from "@lease/core";
import { formatCursor, type LeaseRecord, leaseOf, timestamp } from "@lease/core/backend";

/** A lease as it stands in the file. */
export interface StoredLease extends LeaseRecord {
  /** On the boot's clock. */
  expires: number;
  /** Its id as it stands in the columns, see {@link idKey}. */
  readonly key: string;
  /** How much time `expires` was last set to lie ahead: what the lease is given again in a new boot. */
  givenMs: number;
  /** The `body` column as last written or read. */
  text: string;
  /** A row stands for its place in the queue. */
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

/**
 * An id as it stands in the columns: the sixteen bytes that its text spells, in 22 characters of base64url. An id is in
 * all rows of its lease, and SQLite hands out text three times as fast as bytes.
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
/** By the code of its character, the value of a digit; several times as fast as what is built in for it. */
const HEX = Uint8Array.from(
  { length: 128 },
  (_, code) => Number.parseInt(String.fromCharCode(code), 16) || 0,
);
const idBytes = Buffer.alloc(ID_BYTES);

export function encode(lease: LeaseRecord & { readonly expires: number }): string {
  const claims: (string | number)[] = [];
  for (const { resource, mode } of lease.claims) claims.push(resource, modeNumber(mode));
  const { agentId, token, ttlMs, requestedWall, acquiredWall } = lease;
  const body: Body = [agentId, claims, ttlMs, ...shortTimes(token, requestedWall, acquiredWall)];
  const rest = [
    lease.renewals || null,
    lease.maxRenewals,
    lease.holding.length === 0 ? null : lease.holding,
    lease.reason,
    lease.metadata,
    lease.revoking && [lease.revoking.by, lease.revoking.reason, lease.expires - lease.revoking.refusedFrom],
  ];
  // Most leases have none of these, and what is not written need not be kept or read, here and in the history.
  let used = rest.length;
  while (used > 0 && rest[used - 1] === null) used -= 1;
  return JSON.stringify(used === 0 ? body : [...body, ...rest.slice(0, used)]);
}

/** @throws `BACKEND_CORRUPT` when the body is not what `encode` wrote */
export function decode(row: LeaseRow, id: string = idText(row.id)): StoredLease {
  const { token, expires, body } = row;
  const state = row.state === ACTIVE ? "active" : "pending";
  const lease = unpack(parse(body, `lease ${id}`), { id, token, expires, state });
  return {
    ...lease,
    expires,
    key: row.id,
    givenMs: row.given_ms,
    text: body,
    isQueued: row.state === PENDING,
  };
}

/**
 * When a lease was asked for and granted, as its body has it: mostly two zeros. A token begins as the wall clock in
 * microseconds, and what is granted at once is granted when it is asked for. History is most of what steps write, and
 * with short entries those of more steps share a page.
 */
export function shortTimes(
  token: number,
  requestedWall: number,
  acquiredWall: number | null,
): [requested: number, acquired: number | null] {
  return [requestedWall - wallOf(token), acquiredWall === null ? null : acquiredWall - requestedWall];
}

/** The moment that a token was made from, if the clock did not stand still or go back. */
function wallOf(token: number): number {
  return Math.floor(token / 1000);
}

/** Types of events as they stand in the history, by their place here: only ever appended to. */
const EVENT_TYPES = [
  "queued",
  "acquired",
  "renewed",
  "revoking",
  "released",
  "expired",
  "revoked",
  "cancelled",
] as const satisfies readonly LeaseEventType[];

const EVENT_NUMBERS = Object.fromEntries(EVENT_TYPES.map((type, index) => [type, index])) as Readonly<
  Record<LeaseEventType, number>
>;

/** The number that stands for a type of event. */
export function eventNumber(type: LeaseEventType): number {
  return EVENT_NUMBERS[type];
}

/** An event as text, one item of the array in a history row. */
export function encodeEvent(
  type: LeaseEventType,
  { key, token, expires, text }: StoredLease,
  now: number,
  by: string | null,
  reason: string | null,
): string {
  const act = by === null && reason === null ? "" : `,${JSON.stringify(by)},${JSON.stringify(reason)}`;
  return `[${eventNumber(type)},"${key}",${token},${expires - now},${text}${act}]`;
}

/** The events of a history row, oldest first. */
export function decodeEvents(
  row: HistoryRow,
  epoch: string,
): { readonly sequence: number; readonly event: LeaseEvent }[] {
  const first = row.sequence - row.count + 1;
  return parse(row.events, `history entry ${row.sequence}`).map((item: unknown, index: number) => {
    const [typeNumber, key, token, leftMs, body, by = null, reason = null] = item as [
      number,
      string,
      number,
      number,
      Body,
      string | null | undefined,
      string | null | undefined,
    ];
    const type = EVENT_TYPES[typeNumber] as LeaseEventType;
    // Seen from the moment of the event, when its clock stood at 0.
    const lease = unpack(body, { id: idText(key), token, expires: leftMs, state: stateAfter(type) });
    const event: LeaseEvent = {
      cursor: formatCursor(epoch, first + index),
      type,
      at: timestamp(row.wall),
      lease: leaseOf(lease, leftMs, { now: 0, wallNow: row.wall }),
      by,
      reason,
    };
    return { sequence: first + index, event };
  });
}

/**
 * What `encode` packs: what is `null` from some place on to the end is left out. `requested` and `acquired` are as
 * {@link shortTimes} has them.
 */
type Body = [
  agentId: string,
  claims: (string | number)[],
  ttlMs: number,
  requested: number,
  acquired: number | null,
  renewals?: number | null,
  maxRenewals?: number | null,
  holding?: string[] | null,
  reason?: string | null,
  metadata?: LeaseRecord["metadata"],
  revoking?: [by: string, reason: string | null, beforeEndMs: number] | null,
];

function unpack(
  body: Body,
  { id, token, expires, state }: Pick<LeaseRecord, "id" | "token" | "state"> & { readonly expires: number },
): LeaseRecord {
  const [agentId, packedClaims, ttlMs, requested, acquired, ...rest] = body;
  const requestedWall = requested + wallOf(token);
  const [
    renewals = null,
    maxRenewals = null,
    holding = null,
    reason = null,
    metadata = null,
    revoking = null,
  ] = rest;
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
    requestedWall,
    acquiredWall: acquired === null ? null : requestedWall + acquired,
    renewals: renewals ?? 0,
    maxRenewals,
    holding: holding ?? [],
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
