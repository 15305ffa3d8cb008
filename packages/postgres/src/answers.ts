/** From what the step function answers to what the contract says. */
import { type Lease, LeaseError } from "@lease/core";
import {
  type AcquireRequest,
  type AcquireResult,
  differentClaims,
  type EndRecord,
  leaseOf,
  notOwner,
  type ReleaseResult,
  type RenewResult,
  refusalOf,
} from "@lease/core/backend";
import { decodeRecord, type PostgresLease, type StoredRecord } from "./codec.js";

/** One operation's answer, and the server's time then. */
export interface Reply {
  readonly now: number;
  readonly answer: readonly unknown[];
}

/** What callers are shown of a lease. */
export function shown(lease: PostgresLease, now: number): Lease {
  return leaseOf(lease, lease.expires - now, { now, wallNow: now });
}

export function acquireResult(request: AcquireRequest, { now, answer }: Reply): AcquireResult {
  const [kind, ...rest] = answer;
  switch (kind) {
    case "G":
    case "R":
      return { status: "granted", lease: leaseIn(rest[0], now), repeated: kind === "R" };
    case "F": {
      const [record, count, retryInMs, blockers] = rest as [unknown, number, number, StoredRecord[]];
      const obstacles = blockers.map((blocker) => {
        const lease = decodeRecord(blocker);
        return { lease, blocksMs: lease.expires - now };
      });
      const refusal = refusalOf(request.claims, obstacles, count, retryInMs);
      // A composite of nothing but nulls is written as a record of nulls.
      const isQueued = (record as StoredRecord)[0] !== null;
      return { status: "refused", lease: isQueued ? leaseIn(record, now) : null, ...refusal };
    }
    case "E": {
      const [end, by, reason] = rest as [EndRecord["end"], string | null, string | null];
      return { status: "ended", end, by, reason };
    }
    case "O":
      throw notOwner(request.id);
    case "C":
      throw differentClaims(request.id);
    default:
      throw new LeaseError(
        "BACKEND_INCOMPATIBLE",
        "The clock of this Postgres is too far in the future for fencing tokens, which end at 2^53: set it right.",
      );
  }
}

export function renewResult({ now, answer }: Reply): RenewResult {
  const [kind, ...rest] = answer;
  switch (kind) {
    case "N":
    case "R":
      return { status: "renewed", lease: leaseIn(rest[0], now), repeated: kind === "R" };
    case "x":
      return { status: "out-of-order", lease: leaseIn(rest[0], now) };
    case "l":
      return { status: "renewal-limit", maxRenewals: rest[0] as number };
    case "v":
      return { status: "revoked", by: rest[0] as string | null, reason: rest[1] as string | null };
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

export function releaseResult({ answer }: Reply): ReleaseResult {
  return { status: answer[0] as ReleaseResult["status"] };
}

function leaseIn(record: unknown, now: number): Lease {
  return shown(decodeRecord(record as StoredRecord), now);
}
