/** A lease as it is stored in etcd, and what is remembered of an id. */
import { type Claim, LeaseError, type Metadata } from "@lease/core";
import type { LeaseRecord } from "@lease/core/backend";
import type { IKeyValue } from "etcd3";

/** A soft revoke: the grace is an etcd lease of its own, so that etcd's clock ends it. */
interface StoredRevoking {
  readonly by: string;
  readonly reason: string | null;
  readonly graceMs: number;
  readonly graceLease: string;
}

/** What the value of `i/<id>` says. */
export interface StoredLease {
  readonly id: string;
  readonly agentId: string;
  readonly claims: readonly Claim[];
  readonly state: "pending" | "active";
  readonly ttlMs: number;
  readonly requestedWall: number;
  readonly acquiredWall: number | null;
  readonly renewals: number;
  readonly maxRenewals: number | null;
  readonly holding: readonly string[];
  readonly reason: string | null;
  readonly metadata: Metadata | null;
  readonly revoking: StoredRevoking | null;
  /** Its claims may have others beside them, see {@link Keys.claim}. */
  readonly isBeside: boolean;
  /** Seconds for which its etcd lease keeps it, one less than etcd was asked for. */
  readonly termS: number;
  /** The longest term that the memory of its id outlives. */
  readonly memoryS: number;
  /** When this record was written, and how much time was left then; `event`: which event wrote it, if one did. */
  readonly wall: number;
  readonly leftMs: number;
  readonly event: "queued" | "acquired" | "revoking" | null;
}

/** A record with what etcd says of its key. */
export interface FoundLease extends StoredLease {
  readonly token: number;
  /** The revision that wrote it last: every change compares it. */
  readonly revision: number;
  readonly etcdLease: string;
}

/** What `h/<id>` says. Without an `end` the id lives, or ran out; with `by`, it ran out as revoked. */
export interface Memory {
  readonly agentId: string;
  readonly end?: "released" | "cancelled" | "revoked" | undefined;
  readonly by?: string | null | undefined;
  readonly reason?: string | null | undefined;
}

export interface FoundMemory extends Memory {
  readonly etcdLease: string;
}

export function encodeLease(lease: StoredLease): Buffer {
  const claims: (string | number)[] = [];
  for (const { resource, mode } of lease.claims) claims.push(resource, mode === "exclusive" ? 1 : 0);
  const { revoking } = lease;
  return Buffer.from(
    JSON.stringify([
      lease.state === "active" ? 1 : 0,
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
      revoking && [revoking.by, revoking.reason, revoking.graceMs, revoking.graceLease],
      lease.termS,
      lease.memoryS,
      lease.wall,
      lease.leftMs,
      lease.event,
      lease.isBeside,
    ]),
  );
}

/** @throws `BACKEND_CORRUPT` when it is not what `encodeLease` wrote */
export function decodeLease(kv: IKeyValue, id: string): FoundLease {
  return orCorrupt(kv, () => {
    const [
      state,
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
      termS,
      memoryS,
      wall,
      leftMs,
      event,
      isBeside,
    ] = JSON.parse(kv.value.toString("utf8"));
    const claims: Claim[] = [];
    for (let index = 0; index < flatClaims.length; index += 2) {
      claims.push({
        resource: flatClaims[index],
        mode: flatClaims[index + 1] === 1 ? "exclusive" : "shared",
      });
    }
    return {
      id,
      agentId,
      claims,
      state: state === 1 ? "active" : "pending",
      ttlMs,
      requestedWall,
      acquiredWall,
      renewals,
      maxRenewals,
      holding,
      reason,
      metadata,
      revoking: revoking && {
        by: revoking[0],
        reason: revoking[1],
        graceMs: revoking[2],
        graceLease: revoking[3],
      },
      termS,
      memoryS,
      wall,
      leftMs,
      event,
      isBeside,
      token: Number(kv.create_revision),
      revision: Number(kv.mod_revision),
      etcdLease: String(kv.lease),
    };
  });
}

export function encodeMemory({ agentId, end, by, reason }: Memory): Buffer {
  return Buffer.from(JSON.stringify(by === undefined ? [agentId, end] : [agentId, end, by, reason]));
}

export function decodeMemory(kv: IKeyValue): FoundMemory {
  return orCorrupt(kv, () => {
    const [agentId, end, by, reason] = JSON.parse(kv.value.toString("utf8"));
    return { agentId, end: end ?? undefined, by, reason, etcdLease: String(kv.lease) };
  });
}

/**
 * What core shows callers of a lease, as of a moment that is 0 on the clock of its durations.
 *
 * @param graceInMs - what is left of a soft revoke's grace
 */
export function recordOf(lease: StoredLease & { readonly token: number }, graceInMs = 0): LeaseRecord {
  return {
    id: lease.id,
    agentId: lease.agentId,
    claims: lease.claims,
    state: lease.state,
    token: lease.token,
    ttlMs: lease.ttlMs,
    requestedWall: lease.requestedWall,
    acquiredWall: lease.acquiredWall,
    renewals: lease.renewals,
    maxRenewals: lease.maxRenewals,
    holding: lease.holding,
    reason: lease.reason,
    metadata: lease.metadata,
    revoking: lease.revoking && {
      by: lease.revoking.by,
      reason: lease.revoking.reason,
      refusedFrom: graceInMs,
    },
  };
}

function orCorrupt<T>(kv: IKeyValue, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    throw new LeaseError(
      "BACKEND_CORRUPT",
      `The value of the etcd key ${JSON.stringify(kv.key.toString("utf8"))} cannot be read: remove it, or use another namespace.`,
      undefined,
      { cause },
    );
  }
}
