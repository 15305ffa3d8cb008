/** Operations as the step script takes them, and records and events as it keeps them. */
import {
  type AcquireRequest,
  type Claim,
  formatCursor,
  LeaseError,
  type LeaseEvent,
  type LeaseEventType,
  type LeaseRecord,
  leaseOf,
  type ReleaseRequest,
  type RenewRequest,
} from "@lease/core";
import { RECORD } from "./scripts/layout.js";

/** Of a UUID. */
const ID_WIDTH = 36;

const NO_NUMBER = "-".repeat(16);
const NO_RENEWALS = "0".repeat(16);
const NOT_REVOKED = "0".repeat(14);

/** @param client - who is to be called when its turn comes */
export function encodeAcquire(request: AcquireRequest, client: string): string {
  const { id, agentId, wait, ttlMs, waitTtlMs, maxRenewals, holding, reason, metadata } = request;
  let claims = "";
  for (const { resource, mode } of request.claims) {
    claims += `${mode === "exclusive" ? "x" : "s"}${digits(Buffer.byteLength(resource), 3)}${resource}`;
  }
  const rest =
    holding.length === 0 && reason === null && metadata === null
      ? ""
      : JSON.stringify([holding, reason, metadata]);
  const lengths = `${digits(Buffer.byteLength(agentId), 3)}${digits(Buffer.byteLength(claims), 6)}${digits(Buffer.byteLength(rest), 6)}`;
  const counts = `${NO_RENEWALS}${optional(maxRenewals, 16)}${NOT_REVOKED}`;
  return `A${wait ? 1 : 0}${id}${digits(waitTtlMs, 10)}${digits(ttlMs, 10)}${counts}${client}${lengths}${agentId}${claims}${rest}`;
}

export function encodeRenew({ id, agentId, token, ttlMs, renewal }: RenewRequest): string {
  return `N${id}${optional(token, 16)}${optional(ttlMs, 10)}${optional(renewal, 16)}${agentId}`;
}

export function encodeRelease(request: ReleaseRequest): string {
  switch (request.kind) {
    case "release":
      return `D${request.id}${optional(request.token, 16)}${request.agentId}`;
    case "abandon":
      return `B${request.id}${request.agentId}`;
    case "revoke": {
      const act = JSON.stringify([request.by, request.reason]);
      return `V${request.id}${digits(request.graceMs, 10)}${act}`;
    }
  }
}

export const encodeLook = (id: string): string => `L${id}`;
export const encodeEndIfDead = (id: string): string => `X${id}`;

/** A number in a place of fixed width. */
export function digits(value: number, width: number): string {
  return String(value).padStart(width, "0");
}

function optional(value: number | null | undefined, width: number): string {
  return value === null || value === undefined ? NO_NUMBER.slice(0, width) : digits(value, width);
}

/** Who did something and why, as the caller of a revoke said it. */
export interface Act {
  readonly by: string | null;
  readonly reason: string | null;
}

/** @param json - empty when nobody else did it */
export function decodeAct(json: string): Act {
  if (json === "") return { by: null, reason: null };
  const [by, reason] = JSON.parse(json) as [string, string | null];
  return { by, reason };
}

/** What is ASCII for sure: ids, numbers, letters. */
export function ascii(text: Buffer, from = 0, to = text.length): string {
  return text.toString("latin1", from, to);
}

/** The number that stands at a place of fixed width. */
export function numberAt(text: Buffer, from: number, width: number): number {
  let value = 0;
  for (let index = from; index < from + width; index += 1) value = value * 10 + ((text[index] ?? 0) - ZERO);
  return value;
}

const ZERO = 0x30;
const EXCLUSIVE = "x".charCodeAt(0);
const PENDING = "P".charCodeAt(0);
const DASH = "-".charCodeAt(0);

/** @throws `BACKEND_CORRUPT` when it is no record of ours */
export function decodeRecord(id: string, text: Buffer): LeaseRecord {
  try {
    const agentEnd = RECORD.agent + numberAt(text, RECORD.agentLength, 3);
    const claimsEnd = agentEnd + numberAt(text, RECORD.claimsLength, 6);
    const restEnd = claimsEnd + numberAt(text, RECORD.restLength, 6);
    const rest = text.toString("utf8", claimsEnd, restEnd);
    const [holding, reason, metadata] = rest === "" ? [[], null, null] : JSON.parse(rest);
    const refusedFrom = numberAt(text, RECORD.refusedFrom, 14);
    const acquired = numberAt(text, RECORD.acquired, 14);
    const unlimited = text[RECORD.maxRenewals] === DASH;
    const revoking =
      refusedFrom === 0 ? null : { ...(decodeAct(text.toString("utf8", restEnd)) as RevokedBy), refusedFrom };
    return {
      id,
      agentId: text.toString("utf8", RECORD.agent, agentEnd),
      claims: decodeClaims(text, agentEnd, claimsEnd),
      state: text[RECORD.state] === PENDING ? "pending" : "active",
      token: numberAt(text, RECORD.token, 16),
      ttlMs: numberAt(text, RECORD.ttl, 10),
      expires: numberAt(text, RECORD.expires, 14),
      requestedWall: numberAt(text, RECORD.requested, 14),
      acquiredWall: acquired === 0 ? null : acquired,
      renewals: numberAt(text, RECORD.renewals, 16),
      maxRenewals: unlimited ? null : numberAt(text, RECORD.maxRenewals, 16),
      holding,
      reason,
      metadata,
      revoking,
    };
  } catch (cause) {
    throw new LeaseError(
      "BACKEND_CORRUPT",
      `The record of the lease ${id} cannot be read: somebody else wrote to this namespace. Restore it, or use another.`,
      undefined,
      { cause },
    );
  }
}

interface RevokedBy extends Act {
  readonly by: string;
}

function decodeClaims(text: Buffer, from: number, to: number): Claim[] {
  const claims: Claim[] = [];
  for (let at = from; at < to; ) {
    const end = at + 4 + numberAt(text, at + 1, 3);
    claims.push({
      resource: text.toString("utf8", at + 4, end),
      mode: text[at] === EXCLUSIVE ? "exclusive" : "shared",
    });
    at = end;
  }
  return claims;
}

/** A record that follows its id. */
export function decodeWithId(text: Buffer): LeaseRecord {
  return decodeRecord(ascii(text, 0, ID_WIDTH), text.subarray(ID_WIDTH));
}

const EVENT_TYPES: Readonly<Record<string, { type: LeaseEventType; state: LeaseRecord["state"] }>> =
  Object.freeze({
    q: { type: "queued", state: "pending" },
    a: { type: "acquired", state: "active" },
    n: { type: "renewed", state: "active" },
    g: { type: "revoking", state: "active" },
    r: { type: "released", state: "released" },
    e: { type: "expired", state: "expired" },
    v: { type: "revoked", state: "revoked" },
    c: { type: "cancelled", state: "cancelled" },
  });

/** The state of a lease that ended in this way. */
export function endOf(letter: string): "released" | "expired" | "revoked" | "cancelled" {
  const state = EVENT_TYPES[letter]?.state;
  if (state === undefined || state === "pending" || state === "active") throw unreadable();
  return state;
}

const EVENTS_AT = 20;
const EVENT_HEAD = 1 + 16 + 7 + 5 + ID_WIDTH;

/** The events of one entry of the history, oldest first. */
export function decodeEvents(
  entry: Buffer,
  epoch: string,
): { readonly sequence: number; readonly event: LeaseEvent }[] {
  const events: { sequence: number; event: LeaseEvent }[] = [];
  const now = numberAt(entry, 0, 14);
  for (let at = EVENTS_AT; at < entry.length; ) {
    const kind = EVENT_TYPES[ascii(entry, at, at + 1)];
    if (kind === undefined) throw unreadable();
    const sequence = numberAt(entry, at + 1, 16);
    const recordAt = at + EVENT_HEAD;
    const actAt = recordAt + numberAt(entry, at + 17, 7);
    const end = actAt + numberAt(entry, at + 24, 5);
    const id = ascii(entry, at + 29, recordAt);
    const record = { ...decodeRecord(id, entry.subarray(recordAt, actAt)), state: kind.state };
    events.push({
      sequence,
      event: {
        cursor: formatCursor(epoch, sequence),
        type: kind.type,
        at: new Date(now).toISOString(),
        lease: leaseOf(record, { now, wallNow: now }),
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
