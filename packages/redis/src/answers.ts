/** From what the step script answers to what the contract says. */
import { type Lease, LeaseError } from "@lease/core";
import {
  type AcquireRequest,
  type AcquireResult,
  differentClaims,
  notOwner,
  type ReleaseResult,
  type RenewResult,
  refusalOf,
  timestamp,
} from "@lease/core/backend";
import { ascii, decodeAct, decodeRecord, decodeWithId, endOf, numberAt, shown } from "./codec.js";
import type { Reply } from "./steps.js";

/** @param wasQueued - whether the last reply before this one said that the request is queued */
export function acquireResult(
  request: AcquireRequest,
  wasQueued: boolean,
  { now, answer }: Reply,
): AcquireResult {
  const [text, ...parts] = (Buffer.isBuffer(answer) ? [answer] : answer) as [Buffer, ...Buffer[]];
  switch (ascii(text, 0, 1)) {
    case "G":
      return { status: "granted", lease: newLease(request, numberAt(text, 1, 7), now), repeated: false };
    case "g":
      return { status: "granted", lease: leaseIn(request.id, parts[0], now), repeated: false };
    case "H":
      return { status: "granted", lease: leaseIn(request.id, parts[0], now), repeated: !wasQueued };
    case "R":
      return { status: "granted", lease: leaseIn(request.id, parts[0], now), repeated: true };
    case "F":
      return refused(request, text, parts, now);
    case "E":
      return { status: "ended", end: endOf(ascii(text, 1, 2)), ...decodeAct(text.toString("utf8", 2)) };
    case "O":
      throw notOwner(request.id);
    case "C":
      throw differentClaims(request.id);
    case "M":
      throw new LeaseError(
        "BACKEND_FULL",
        "Redis has no memory left for a new lease: raise maxmemory, or sweep with a shorter historyRetentionMs.",
      );
    default:
      throw new LeaseError(
        "BACKEND_INCOMPATIBLE",
        "The clock of this Redis is too far in the future for fencing tokens, which end at 2^53: set it right.",
      );
  }
}

/** A lease granted at once is as it was asked for: `request` is the backend's own copy. */
function newLease(request: AcquireRequest, token: number, now: number): Lease {
  const { id, agentId, claims, ttlMs, maxRenewals, holding, reason, metadata } = request;
  const at = timestamp(now);
  return {
    id,
    agentId,
    claims,
    state: "active",
    token,
    ttlMs,
    expiresInMs: ttlMs,
    requestedAt: at,
    acquiredAt: at,
    expiresAt: timestamp(now + ttlMs),
    renewals: 0,
    maxRenewals,
    holding,
    reason,
    metadata,
    revoking: null,
  };
}

function leaseIn(id: string, record: Buffer | undefined, now: number): Lease {
  return shown(decodeRecord(id, record as Buffer), now);
}

function refused(
  request: AcquireRequest,
  text: Buffer,
  parts: readonly Buffer[],
  now: number,
): AcquireResult {
  const [record, ...first] = parts as [Buffer, ...Buffer[]];
  const blockers = first.map(decodeWithId).map((lease) => ({ lease, blocksMs: lease.expires - now }));
  const blockerCount = numberAt(text, 1, 4);
  const soonest = numberAt(text, 5, 6);
  return {
    status: "refused",
    lease: record.length === 0 ? null : leaseIn(request.id, record, now),
    ...refusalOf(request.claims, blockers, blockerCount, soonest - now),
  };
}

export function renewResult(id: string, { now, answer }: Reply): RenewResult {
  const [text, record] = (Buffer.isBuffer(answer) ? [answer] : answer) as [Buffer, Buffer?];
  switch (ascii(text, 0, 1)) {
    case "N":
      return { status: "renewed", lease: leaseIn(id, record, now), repeated: false };
    case "R":
      return { status: "renewed", lease: leaseIn(id, record, now), repeated: true };
    case "x":
      return { status: "out-of-order", lease: leaseIn(id, record, now) };
    case "l":
      return { status: "renewal-limit", maxRenewals: numberAt(text, 1, 7) };
    case "v":
      return { status: "revoked", ...decodeAct(text.toString("utf8", 1)) };
    case "e":
      return { status: "expired" };
    case "p":
      return { status: "pending" };
    case "o":
      return { status: "not-owner" };
    default:
      return { status: "not-found" };
  }
}

const RELEASED: Readonly<Record<string, ReleaseResult["status"]>> = Object.freeze({
  r: "released",
  c: "cancelled",
  v: "revoked",
  g: "revoking",
  o: "not-owner",
});

export function releaseResult({ answer }: Reply): ReleaseResult {
  return { status: RELEASED[ascii(answer as Buffer, 0, 1)] ?? "not-found" };
}

/** A lease that the sweep found past its time, as it ended; `null` when another call was faster. */
export function endedLease(id: string, { now, answer }: Reply): Lease | null {
  if (Buffer.isBuffer(answer)) return null;
  const [text, end] = answer as [Buffer, Buffer];
  const record = { ...decodeRecord(id, text), state: endOf(ascii(end, 0, 1)) };
  return shown(record, now);
}
