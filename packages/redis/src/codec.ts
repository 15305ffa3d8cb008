/** Operations as the step script takes them, and records and events as it keeps them. */
import { type Claim, type Lease, LeaseError, type LeaseEvent, type LeaseEventType } from "@lease/core";
import {
  type AcquireRequest,
  type Act,
  formatCursor,
  type LeaseRecord,
  leaseOf,
  type ReleaseRequest,
  type RenewRequest,
  stateAfter,
  timestamp,
} from "@lease/core/backend";
import { NO_LIMIT, RECORD } from "./scripts/layout.js";

/** Of a lease's field: `l` and a UUID. */
const LEASE_WIDTH = 37;

const NO_COUNT = 0;

/**
 * Operations are binary strings, a character for each byte: such strings grow and join more cheaply than buffers, and
 * become one at the end.
 */
export type Binary = string;

/** One operation of the step script: its parts, one after the other. */
export interface Operation {
  readonly parts: readonly Binary[];
  /** What the script needs besides to decide on it alone; `null` where it must look at more. */
  readonly queues: readonly Binary[] | null;
}

/** An acquire of more claims is not sent in its parts. */
const MOST_QUEUES = 100;

/**
 * @param client - which client to notify when its turn comes
 * @param handOff - whether the call may bring the grant along
 */
export function encodeAcquire(request: AcquireRequest, client: string, handOff: boolean): Operation {
  const { id, agentId, ttlMs, waitTtlMs, maxRenewals, holding, reason, metadata } = request;
  const wait = request.wait === "no" ? 0 : handOff ? 2 : 1;
  let claims = "";
  let isPlain = request.claims.length <= MOST_QUEUES;
  const queues: Binary[] = [];
  for (const { resource, mode } of request.claims) {
    const queue = `r${utf8(resource)}`;
    queues.push(queue);
    claims += (mode === "exclusive" ? "x" : "s") + withLength(queue);
    isPlain &&= mode === "exclusive" && !queue.endsWith("**");
  }
  const rest =
    holding.length === 0 && reason === null && metadata === null
      ? ""
      : utf8(JSON.stringify([holding, reason, metadata]));
  const counts = bytes(0, 7) + bytes(maxRenewals ?? NO_LIMIT, 7) + bytes(0, 6);
  const lengths = bytes(claims.length, 3) + bytes(rest.length, 3);
  const record = `${bytes(ttlMs, 4)}${counts}${client}${lengths}${encodeAgent(agentId)}${claims}${rest}`;
  return { parts: [`A${wait}`, `l${id}`, bytes(waitTtlMs, 4), record], queues: isPlain ? queues : null };
}

export function encodeRenew({ id, agentId, token, ttlMs, renewal }: RenewRequest): Operation {
  const counts = bytes(token ?? NO_COUNT, 7) + bytes(ttlMs ?? NO_COUNT, 4) + bytes(renewal ?? NO_COUNT, 7);
  return operation(`Nl${id}`, counts, encodeAgent(agentId));
}

export function encodeRelease(request: ReleaseRequest): Operation {
  const lease = `l${request.id}`;
  switch (request.kind) {
    case "release": {
      const parts = ["D", lease, bytes(request.token ?? NO_COUNT, 7), encodeAgent(request.agentId)];
      return { parts, queues: request.token === undefined ? null : [] };
    }
    case "abandon":
      return operation("B", lease, encodeAgent(request.agentId));
    case "revoke": {
      const act = utf8(JSON.stringify([request.by, request.reason]));
      return operation("V", lease, bytes(request.graceMs, 6), act);
    }
  }
}

export const encodeCheck = (id: string): Operation => operation("C", `l${id}`);
export const encodeEndIfDead = (id: string): Operation => operation("X", `l${id}`);

function operation(...parts: readonly Binary[]): Operation {
  return { parts, queues: null };
}

/** What the step script needs to know besides the operations. */
export function encodeSettings(client: string, endMemoryMs: number, recordRenewals: boolean): Binary {
  return `${client}${bytes(endMemoryMs, 6)}${recordRenewals ? 1 : 0}`;
}

/** Several operations, as the step script takes them. */
export function encodeBatch(operations: readonly Operation[]): Binary {
  let text = "";
  for (const { parts } of operations) {
    const operation = parts.join("");
    text += bytes(operation.length, 3) + operation;
  }
  return text;
}

export function encodeAgent(agentId: string): Binary {
  return withLength(utf8(agentId));
}

/** A number in so many bytes, the first the highest. */
export function bytes(value: number, width: number): Binary {
  const low = value >>> 0;
  const lowest = String.fromCharCode(low >>> 24, (low >>> 16) & 0xff, (low >>> 8) & 0xff, low & 0xff);
  if (width <= 4) return width === 4 ? lowest : lowest.slice(4 - width);
  const high = Math.floor(value / 2 ** 32);
  const highest = String.fromCharCode((high >>> 16) & 0xff, (high >>> 8) & 0xff, high & 0xff);
  return highest.slice(7 - width) + lowest;
}

function withLength(text: Binary): Binary {
  return bytes(text.length, 2) + text;
}

const NOT_ASCII = /[^\0-\x7f]/;

export function utf8(text: string): Binary {
  return NOT_ASCII.test(text) ? Buffer.from(text).toString("latin1") : text;
}

/** @param json - empty for the agent's own act */
export function decodeAct(json: string): Act {
  if (json === "") return { by: null, reason: null };
  const [by, reason] = JSON.parse(json) as [string, string | null];
  return { by, reason };
}

/** What is ASCII for sure: ids, numbers, letters. */
export function ascii(text: Buffer, from = 0, to = text.length): string {
  return text.toString("latin1", from, to);
}

/** The number in so many bytes, the first the highest. */
export function numberAt(text: Buffer, from: number, width: number): number {
  return width === 7
    ? (text[from] as number) * 2 ** 48 + text.readUIntBE(from + 1, 6)
    : text.readUIntBE(from, width);
}

const EXCLUSIVE = "x".charCodeAt(0);
const PENDING = "P".charCodeAt(0);

/** @throws `BACKEND_CORRUPT` when it is no record of ours */
export function decodeRecord(id: string, text: Buffer): StoredRecord {
  try {
    const agentAt = RECORD.agent + 2;
    const agentEnd = agentAt + numberAt(text, RECORD.agent, 2);
    const claimsEnd = agentEnd + numberAt(text, RECORD.claimsLength, 3);
    const restEnd = claimsEnd + numberAt(text, RECORD.restLength, 3);
    const rest = text.toString("utf8", claimsEnd, restEnd);
    const [holding, reason, metadata] = rest === "" ? [[], null, null] : JSON.parse(rest);
    const refusedFrom = numberAt(text, RECORD.refusedFrom, 6);
    const isPending = text[RECORD.state] === PENDING;
    const maxRenewals = numberAt(text, RECORD.maxRenewals, 7);
    const revoking =
      refusedFrom === 0 ? null : { ...(decodeAct(text.toString("utf8", restEnd)) as RevokedBy), refusedFrom };
    return {
      id,
      agentId: text.toString("utf8", agentAt, agentEnd),
      claims: decodeClaims(text, agentEnd, claimsEnd),
      state: isPending ? "pending" : "active",
      token: numberAt(text, RECORD.token, 7),
      ttlMs: numberAt(text, RECORD.ttl, 4),
      expires: numberAt(text, RECORD.expires, 6),
      requestedWall: numberAt(text, RECORD.requested, 6),
      acquiredWall: isPending ? null : numberAt(text, RECORD.acquired, 6),
      renewals: numberAt(text, RECORD.renewals, 7),
      maxRenewals: maxRenewals === NO_LIMIT ? null : maxRenewals,
      holding,
      reason,
      metadata,
      revoking,
    };
  } catch (cause) {
    throw new LeaseError(
      "BACKEND_CORRUPT",
      `The record of the lease ${id} cannot be read: other software wrote to this namespace. Restore it, or use another.`,
      undefined,
      { cause },
    );
  }
}

/** A lease as it is kept in Redis. */
export interface StoredRecord extends LeaseRecord {
  /** On the server's clock, in ms since the Unix epoch. */
  readonly expires: number;
}

/** What callers are shown of a record at a moment of the server's clock. */
export function shown(record: StoredRecord, now: number): Lease {
  return leaseOf(record, record.expires - now, { now, wallNow: now });
}

interface RevokedBy extends Act {
  readonly by: string;
}

function decodeClaims(text: Buffer, from: number, to: number): Claim[] {
  const claims: Claim[] = [];
  for (let at = from; at < to; ) {
    const end = at + 3 + numberAt(text, at + 1, 2);
    claims.push({
      resource: text.toString("utf8", at + 4, end),
      mode: text[at] === EXCLUSIVE ? "exclusive" : "shared",
    });
    at = end;
  }
  return claims;
}

/** A record that follows its lease's field. */
export function decodeWithId(text: Buffer): StoredRecord {
  return decodeRecord(ascii(text, 1, LEASE_WIDTH), text.subarray(LEASE_WIDTH));
}

const EVENT_TYPES: Readonly<Record<string, LeaseEventType>> = Object.freeze({
  q: "queued",
  a: "acquired",
  n: "renewed",
  g: "revoking",
  r: "released",
  e: "expired",
  v: "revoked",
  c: "cancelled",
});

/** The state of a lease that ended in this way. */
export function endOf(letter: string): "released" | "expired" | "revoked" | "cancelled" {
  const type = EVENT_TYPES[letter];
  const state = type && stateAfter(type);
  if (state === undefined || state === "pending" || state === "active") throw unreadable();
  return state;
}

const EVENTS_AT = 8;
const EVENT_HEAD = 1 + 7 + 3 + 3 + LEASE_WIDTH;

/** The events of one entry of the history, oldest first. */
export function decodeEvents(
  entry: Buffer,
  epoch: string,
): { readonly sequence: number; readonly event: LeaseEvent }[] {
  const events: { sequence: number; event: LeaseEvent }[] = [];
  const now = numberAt(entry, 0, 6);
  for (let at = EVENTS_AT; at < entry.length; ) {
    const type = EVENT_TYPES[ascii(entry, at, at + 1)];
    if (type === undefined) throw unreadable();
    const sequence = numberAt(entry, at + 1, 7);
    const recordAt = at + EVENT_HEAD;
    const actAt = recordAt + numberAt(entry, at + 8, 3);
    const end = actAt + numberAt(entry, at + 11, 3);
    const id = ascii(entry, at + 15, recordAt);
    const record = { ...decodeRecord(id, entry.subarray(recordAt, actAt)), state: stateAfter(type) };
    events.push({
      sequence,
      event: {
        cursor: formatCursor(epoch, sequence),
        type,
        at: timestamp(now),
        lease: shown(record, now),
        ...decodeAct(entry.toString("utf8", actAt, end)),
      },
    });
    at = end;
  }
  return events;
}

function unreadable(): LeaseError<"BACKEND_CORRUPT"> {
  return new LeaseError("BACKEND_CORRUPT", "The history of this namespace cannot be read: it is not ours.");
}
